# Never run: these tests only ask which variants there are.
job "app" {
  id = "${var.job_id}"
}
