resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  name = "${var.name}.internal"
  vpc  = aws_vpc.this.id
}

resource "aws_service_discovery_service" "this" {
  for_each = toset(["prefect", "mlflow"])
  name     = each.value

  dns_config {
    namespace_id = aws_service_discovery_private_dns_namespace.this.id

    dns_records {
      type = "A"
      ttl  = 10
    }
  }

  health_check_custom_config {
    failure_threshold = 1
  }
}

resource "aws_ecs_service" "this" {
  for_each        = local.services
  name            = each.key
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this[each.key].arn
  desired_count   = var.running ? 1 : 0
  launch_type     = try(each.value.gpu, false) ? null : "FARGATE"

  # One at a time, never two beside each other: the old one goes before the new one comes.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  health_check_grace_period_seconds  = try(each.value.port, null) == null ? null : 300

  network_configuration {
    subnets          = [for subnet in aws_subnet.private : subnet.id]
    security_groups  = [aws_security_group.this[each.value.group].id]
    assign_public_ip = false
  }

  dynamic "capacity_provider_strategy" {
    for_each = try(each.value.gpu, false) ? aws_ecs_capacity_provider.gpu : []

    content {
      capacity_provider = capacity_provider_strategy.value.name
      weight            = 1
    }
  }

  dynamic "service_registries" {
    for_each = try(each.value.port, null) == null ? [] : [1]

    content {
      registry_arn = aws_service_discovery_service.this[each.key].arn
    }
  }

  dynamic "load_balancer" {
    for_each = try(each.value.port, null) == null ? [] : [1]

    content {
      target_group_arn = aws_lb_target_group.this[each.key].arn
      container_name   = each.key
      container_port   = each.value.port
    }
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  depends_on = [aws_lb_listener_rule.this, aws_efs_mount_target.this]
}

# Pages for people, in private addresses: by VPN or from a peered network.
resource "aws_lb" "this" {
  # checkov:skip=CKV_AWS_91: who asked for what stands in the servers' own logs; the balancer is in private addresses
  # checkov:skip=CKV2_AWS_28: a firewall for web applications is for what the internet reaches
  name                       = var.name
  internal                   = true
  load_balancer_type         = "application"
  subnets                    = [for subnet in aws_subnet.private : subnet.id]
  security_groups            = [aws_security_group.this["balancer"].id]
  drop_invalid_header_fields = true
  enable_deletion_protection = true
}

locals {
  pages = {
    prefect = { host = var.prefect_host, port = 4200, health = "/api/health" }
    mlflow  = { host = var.mlflow_host, port = 5000, health = "/health" }
  }
}

resource "aws_lb_target_group" "this" {
  # checkov:skip=CKV_AWS_378: encrypted up to the balancer; behind it the servers speak HTTP within two security groups
  for_each    = local.pages
  name        = "${var.name}-${each.key}"
  vpc_id      = aws_vpc.this.id
  target_type = "ip"
  port        = each.value.port
  protocol    = "HTTP"

  health_check {
    path                = each.value.health
    interval            = 30
    timeout             = 10
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "no such host"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "this" {
  for_each     = local.pages
  listener_arn = aws_lb_listener.https.arn

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this[each.key].arn
  }

  condition {
    host_header {
      values = [each.value.host]
    }
  }
}
