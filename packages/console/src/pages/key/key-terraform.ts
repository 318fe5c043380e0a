/**
 * A key as Terraform has it.
 *
 * @module
 */
import { hcl, resourceName } from "../../show-as/forms.ts";

export interface TerraformKey {
  readonly Description?: string | undefined;
  readonly KeySpec?: string | undefined;
  readonly KeyUsage?: string | undefined;
  readonly MultiRegion?: boolean | undefined;
  readonly Arn?: string;
}

export function keyTerraform(
  {
    Arn,
    Description = "",
    KeySpec = "SYMMETRIC_DEFAULT",
    KeyUsage = "ENCRYPT_DECRYPT",
    MultiRegion = false,
  }: TerraformKey,
  aliases: readonly string[],
  more: {
    readonly policy?: string;
    readonly tags?: Readonly<Record<string, string>>;
    readonly rotationDays?: number;
  } = {},
): string {
  const name = resourceName(aliases[0] ?? "this");
  const lines = [
    `  description              = ${hcl(Description)}`,
    `  customer_master_key_spec = ${hcl(KeySpec)}`,
    `  key_usage                = ${hcl(KeyUsage)}`,
    ...(MultiRegion ? ["  multi_region             = true"] : []),
    ...(more.rotationDays === undefined
      ? []
      : ["  enable_key_rotation      = true", `  rotation_period_in_days  = ${more.rotationDays}`]),
    ...(more.policy === undefined ? [] : [`  policy                   = ${hcl(more.policy)}`]),
    ...(more.tags === undefined
      ? []
      : [
          "  tags = {",
          ...Object.entries(more.tags).map(([key, value]) => `    ${hcl(key)} = ${hcl(value)}`),
          "  }",
        ]),
  ];
  const blocks = [`resource "aws_kms_key" ${hcl(name)} {\n${lines.join("\n")}\n}`];
  for (const alias of aliases) {
    blocks.push(
      `resource "aws_kms_alias" ${hcl(resourceName(alias))} {\n  name          = ${hcl(alias)}\n  target_key_id = aws_kms_key.${name}.key_id\n}`,
    );
  }
  if (Arn !== undefined)
    blocks.push(`import {\n  to = aws_kms_key.${name}\n  id = ${hcl(Arn.split("/")[1] ?? "")}\n}`);
  return blocks.join("\n\n");
}
