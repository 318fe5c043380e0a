/**
 * The principals that IAM knows, to choose from.
 *
 * @module
 */
import { all, iam } from "../aws/calls.ts";
import { listOf, textOf, type XmlValue } from "../aws/xml.ts";
import { useLoaded } from "../parts/loading.tsx";

export type IamRecord = Readonly<Record<string, XmlValue>>;

/** All records of a list of IAM. */
export function listIam(
  action: string,
  member: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<IamRecord[]> {
  return all(async (marker) => {
    const answer = await iam(action, { ...parameters, MaxItems: 1000, Marker: marker });
    const next = textOf(answer["IsTruncated"]) === "true" ? textOf(answer["Marker"]) : undefined;
    return { items: listOf(answer[member]), next };
  });
}

/** ARNs of users and roles. None for those who may not list them: an ARN can be typed. */
export function usePrincipals(): readonly string[] {
  const { value = [] } = useLoaded("principals", async () => {
    const lists = await Promise.all([listIam("ListUsers", "Users"), listIam("ListRoles", "Roles")]);
    return lists.flat().map(({ Arn }) => textOf(Arn));
  });
  return value;
}
