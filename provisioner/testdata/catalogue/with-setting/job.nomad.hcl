# Never run: these tests only ask what the manifests say.
job "app" {
  id = "${var.job_id}"
}
