/**
 * The actions on identity providers.
 *
 * Source: the IAM API reference
 *
 * @module
 */
import { issuerName, providerArn, type IamCall, type ProviderRecord } from "@env/kms/server";
import { reads, writes, type Action } from "./action.ts";
import type { Form } from "./form.ts";
import { conditionsOf, noSuch, tagList, tagMember, untagged } from "./resources.ts";

/** Finds a provider by its ARN, and asks whether the caller may do this with it. */
function found(call: IamCall, form: Form): ProviderRecord {
  const arn = form.required("OpenIDConnectProviderArn");
  const record = call.directory.store.providers.get(arn);
  call.authorize(`iam:${form.action}`, arn, {
    tags: record?.tags,
    conditions: conditionsOf(form),
  });
  if (record !== undefined) return record;
  throw noSuch(`OpenIDConnect Provider not found for arn ${arn.slice(0, 600)}`);
}

/** @param part - Says what of a provider the action replaces. */
function changes(
  parameters: string,
  part: (record: ProviderRecord, form: Form) => Partial<ProviderRecord>,
): Action {
  return writes(`OpenIDConnectProviderArn ${parameters}`, (call, form) => {
    const record = found(call, form);
    call.directory.putProvider({ ...record, ...part(record, form) });
    return undefined;
  });
}

export const providerActions: readonly (readonly [string, Action])[] = [
  [
    "CreateOpenIDConnectProvider",
    writes("Url ClientIDList ThumbprintList Tags", (call, form) => {
      const tags = form.tags();
      const issuer = form.required("Url");
      call.authorize("iam:CreateOpenIDConnectProvider", providerArn(issuer, call.directory.realm), {
        conditions: conditionsOf(form),
      });
      const { arn } = call.directory.createProvider({
        issuer,
        clientIds: form.list("ClientIDList"),
        thumbprints: form.list("ThumbprintList"),
        tags,
      });
      return { OpenIDConnectProviderArn: arn, ...tagMember(tags) };
    }),
  ],
  [
    "GetOpenIDConnectProvider",
    reads("OpenIDConnectProviderArn", (call, form) => {
      const { issuer, clientIds, thumbprints, created, tags } = found(call, form);
      return {
        Url: issuerName(issuer),
        ClientIDList: clientIds,
        ThumbprintList: thumbprints,
        CreateDate: new Date(created),
        ...tagMember(tags),
      };
    }),
  ],
  [
    "ListOpenIDConnectProviders",
    reads("", (call) => {
      call.authorize("iam:ListOpenIDConnectProviders", "*");
      return {
        OpenIDConnectProviderList: call.directory.providers().map(({ arn }) => ({ Arn: arn })),
      };
    }),
  ],
  [
    "DeleteOpenIDConnectProvider",
    writes("OpenIDConnectProviderArn", (call, form) => {
      call.directory.store.providers.delete(found(call, form).arn);
      return undefined;
    }),
  ],
  [
    "AddClientIDToOpenIDConnectProvider",
    changes("ClientID", ({ clientIds }, form) => ({
      clientIds: [...clientIds, form.required("ClientID")],
    })),
  ],
  [
    "RemoveClientIDFromOpenIDConnectProvider",
    changes("ClientID", ({ clientIds }, form) => {
      const gone = form.required("ClientID");
      return { clientIds: clientIds.filter((id) => id !== gone) };
    }),
  ],
  [
    "UpdateOpenIDConnectProviderThumbprint",
    changes("ThumbprintList", (_, form) => ({ thumbprints: form.list("ThumbprintList") })),
  ],
  [
    "TagOpenIDConnectProvider",
    changes("Tags", ({ tags }, form) => ({ tags: { ...tags, ...form.tags() } })),
  ],
  [
    "UntagOpenIDConnectProvider",
    changes("TagKeys", ({ tags }, form) => ({ tags: untagged(tags, form) })),
  ],
  [
    "ListOpenIDConnectProviderTags",
    reads("OpenIDConnectProviderArn Marker MaxItems", (call, form) => ({
      Tags: tagList(found(call, form).tags),
      IsTruncated: false,
    })),
  ],
];
