# One machine with GPUs for the worker, if var.gpu_instance_type names one.
locals {
  gpus = var.gpu_instance_type == null ? 0 : 1
}

data "aws_ssm_parameter" "gpu_image" {
  count = local.gpus
  name  = "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
}

resource "aws_iam_role" "gpu" {
  count              = local.gpus
  name               = "${var.name}-gpu"
  assume_role_policy = data.aws_iam_policy_document.assume["ec2"].json
}

resource "aws_iam_role_policy_attachment" "gpu" {
  count      = local.gpus
  role       = aws_iam_role.gpu[0].name
  policy_arn = "arn:${data.aws_partition.this.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "gpu" {
  count = local.gpus
  name  = "${var.name}-gpu"
  role  = aws_iam_role.gpu[0].name
}

resource "aws_launch_template" "gpu" {
  count                  = local.gpus
  name_prefix            = "${var.name}-gpu-"
  image_id               = data.aws_ssm_parameter.gpu_image[0].insecure_value
  instance_type          = var.gpu_instance_type
  vpc_security_group_ids = [aws_security_group.this["worker"].id]
  update_default_version = true
  user_data              = base64encode("#!/bin/sh\necho ECS_CLUSTER=${var.name} >> /etc/ecs/ecs.config\necho ECS_ENABLE_GPU_SUPPORT=true >> /etc/ecs/ecs.config\n")

  iam_instance_profile {
    arn = aws_iam_instance_profile.gpu[0].arn
  }

  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size = 200
      volume_type = "gp3"
      encrypted   = true
    }
  }
}

resource "aws_autoscaling_group" "gpu" {
  count                 = local.gpus
  name                  = "${var.name}-gpu"
  min_size              = 0
  max_size              = 1
  vpc_zone_identifier   = [for subnet in aws_subnet.private : subnet.id]
  protect_from_scale_in = true

  launch_template {
    id      = aws_launch_template.gpu[0].id
    version = aws_launch_template.gpu[0].latest_version
  }

  tag {
    key                 = "AmazonECSManaged"
    value               = "true"
    propagate_at_launch = true
  }

  lifecycle {
    ignore_changes = [desired_capacity]
  }
}

resource "aws_ecs_capacity_provider" "gpu" {
  count = local.gpus
  name  = "${var.name}-gpu"

  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.gpu[0].arn
    managed_termination_protection = "ENABLED"

    managed_scaling {
      status          = "ENABLED"
      target_capacity = 100
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = concat(["FARGATE"], [for provider in aws_ecs_capacity_provider.gpu : provider.name])
}
