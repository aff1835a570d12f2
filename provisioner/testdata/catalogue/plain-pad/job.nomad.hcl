# Never run: these tests ask what it needs of a node.
job "app" {
  id = "${var.job_id}"

  group "app" {
    task "app" {
      driver = "docker"
    }
  }
}
