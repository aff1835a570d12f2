# Never run: these tests look at what it is registered with.
variable "ingress" {
  type = string
}

job "app" {
  id = "${var.job_id}"
}
