# Keys and permissions of a team: applied, planned again without a change, changed, and destroyed.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }
variable "rotation" {
  type    = number
  default = 365
}

variable "path" {
  type    = string
  default = "/"
}

provider "aws" {
  skip_metadata_api_check = true
  endpoints {
    kms = var.endpoint
    sts = var.endpoint
    iam = var.endpoint
  }
}

data "aws_caller_identity" "this" {}

resource "aws_iam_user" "alice" {
  name                 = "alice"
  permissions_boundary = aws_iam_policy.boundary.arn
  tags                 = { team = "orders" }
}

resource "aws_iam_user" "bob" {
  name = var.path == "/" ? "bob" : "robert"
  path = var.path
}

resource "aws_iam_policy" "boundary" {
  name = "only-keys"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["kms:*", "sts:AssumeRole"], Resource = "*" }]
  })
}

resource "aws_iam_access_key" "alice" { user = aws_iam_user.alice.name }

resource "aws_iam_group" "developers" { name = "developers" }

resource "aws_iam_group_membership" "developers" {
  name  = "developers"
  group = aws_iam_group.developers.name
  users = [aws_iam_user.alice.name]
}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = var.path == "/" ? ["sts.amazonaws.com"] : ["sts.amazonaws.com", "vault"]
  tags           = { team = "orders" }
}

data "aws_iam_policy_document" "ci" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringLike"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:acme/orders:*"]
    }
  }
}

resource "aws_iam_role" "ci" {
  name               = "ci"
  assume_role_policy = data.aws_iam_policy_document.ci.json
}

resource "aws_iam_role" "app" {
  name                 = "app"
  permissions_boundary = aws_iam_policy.boundary.arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = aws_iam_user.alice.arn }
    }]
  })
}

resource "aws_iam_policy" "use" {
  name = "use-orders-key"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["kms:GenerateDataKey", "kms:Decrypt"]
      Resource = aws_kms_key.orders.arn
    }]
  })
}

resource "aws_iam_role_policy_attachment" "app" {
  role       = aws_iam_role.app.name
  policy_arn = aws_iam_policy.use.arn
}

resource "aws_iam_group_policy_attachment" "developers" {
  group      = aws_iam_group.developers.name
  policy_arn = aws_iam_policy.use.arn
}

resource "aws_iam_user_policy" "list" {
  name = "list"
  user = aws_iam_user.alice.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "kms:ListKeys", Resource = "*" }]
  })
}

resource "aws_kms_key" "orders" {
  description             = "orders"
  deletion_window_in_days = 7
  enable_key_rotation     = true
  rotation_period_in_days = var.rotation
  tags                    = { team = "orders", stage = "test" }
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.this.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
    ]
  })
}

resource "aws_kms_alias" "orders" {
  name          = "alias/orders"
  target_key_id = aws_kms_key.orders.key_id
}

resource "aws_kms_grant" "app" {
  name              = "app"
  key_id            = aws_kms_key.orders.key_id
  grantee_principal = aws_iam_role.app.arn
  operations        = ["Decrypt", "GenerateDataKey"]
  constraints { encryption_context_subset = { app = "orders" } }
}

resource "aws_kms_key" "signing" {
  description              = "releases"
  deletion_window_in_days  = 7
  customer_master_key_spec = "ECC_NIST_P256"
  key_usage                = "SIGN_VERIFY"
}

resource "aws_kms_key" "mac" {
  deletion_window_in_days  = 7
  customer_master_key_spec = "HMAC_256"
  key_usage                = "GENERATE_VERIFY_MAC"
  is_enabled               = false
}

resource "aws_kms_key" "global" {
  deletion_window_in_days = 7
  multi_region            = true
}

resource "aws_kms_external_key" "imported" {
  deletion_window_in_days = 7
  key_material_base64     = "Wblj06fduthWggmsT0cLVoIMOkeLbc2kVfMud77i/JY="
}

resource "aws_kms_ciphertext" "secret" {
  key_id    = aws_kms_key.orders.key_id
  plaintext = "correct horse"
  context   = { app = "orders" }
}
