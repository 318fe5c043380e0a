/**
 * The simulator: may somebody do something with a key, why, and what would have to be added.
 *
 * @module
 */
import { actionRows } from "@env/kms/catalogue";
import type { ExplainRequest } from "@env/kms";
import { useState } from "preact/hooks";
import { useLocation, useSearch } from "wouter-preact";
import { own } from "../../aws/calls.ts";
import { CallError } from "../../aws/errors.ts";
import { Form } from "../../parts/dialog.tsx";
import { Field, Pairs, toMap, type Pair } from "../../parts/field.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { Page } from "../../parts/page.tsx";
import { usePrincipals } from "../../policy/principals.ts";
import { useSummaries } from "../keys/summaries.ts";
import { quoted } from "../../show-as/shell.ts";
import { iamCall } from "../../show-as/call.ts";
import { Explained } from "./explained.tsx";
import { questionOf, searchOf } from "./question.ts";
import { session } from "../../session/session.ts";

const actions = [...actionRows.keys()].map((name) => `kms:${name}`).concat("sts:AssumeRole");

const conditionKeys = [
  "aws:SourceIp",
  "aws:PrincipalTag/team",
  "aws:SecureTransport",
  "kms:ViaService",
  "kms:EncryptionAlgorithm",
  "kms:SigningAlgorithm",
  "kms:CallerAccount",
];

export function WhoCanPage() {
  const [, go] = useLocation();
  const search = useSearch();
  const asked = questionOf(search);
  const [principal, setPrincipal] = useState(asked.principal ?? session.value?.principal ?? "");
  const [action, setAction] = useState(asked.action);
  const [key, setKey] = useState(asked.key ?? "");
  const [context, setContext] = useState<readonly Pair[]>(
    Object.entries(asked.encryptionContext ?? {}),
  );
  const [conditions, setConditions] = useState<readonly Pair[]>(pairsOf(asked.conditions));
  const principals = usePrincipals();
  const { keys } = useSummaries();
  const names = keys.flatMap(({ Aliases = [], KeyArn }) => Aliases[0] ?? KeyArn);
  const question: ExplainRequest = {
    principal: principal.trim(),
    action: action.trim(),
    ...(key.trim() === "" ? {} : { key: key.trim() }),
    ...optional("encryptionContext", toMap(context)),
    ...optional("conditions", toMap(conditions)),
  };
  const isAsked = search !== "" && asked.action !== "";
  return (
    <Page
      title="Who can do what"
      subtitle="Nothing is done: this is the decision as it would be made now."
      calls={[
        iamCall(
          "SimulatePrincipalPolicy",
          {
            PolicySourceArn: question.principal,
            ActionNames: [question.action],
            ResourceArns: [question.key ?? "*"],
          },
          { envelope: commandOf(question) },
        ),
      ]}
    >
      <Form class="card" onSubmit={() => go(`/who-can?${searchOf(question)}`)}>
        <div class="row">
          <Field
            label="Principal"
            value={principal}
            onChange={setPrincipal}
            suggestions={principals}
            required
          />
          <Field
            label="Action"
            value={action}
            onChange={setAction}
            suggestions={actions}
            required
          />
          <Field
            label="Key"
            value={key}
            onChange={setKey}
            suggestions={names}
            hint="Alias, id or ARN."
          />
        </div>
        <div class="row">
          <Pairs label="Encryption context" pairs={context} onChange={setContext} />
          <Pairs
            label="Further conditions"
            nameLabel="Condition key"
            pairs={conditions}
            onChange={setConditions}
            suggestions={conditionKeys}
          />
        </div>
        <button type="submit" class="primary">
          Explain
        </button>
      </Form>
      {isAsked && <Answer key={search} question={asked} />}
    </Page>
  );
}

function Answer({ question }: { readonly question: ExplainRequest }) {
  const loaded = useLoaded(JSON.stringify(question), async () => {
    const { Answers } = await own("Explain", { Requests: [question] });
    const [answer] = Answers;
    if (answer === undefined) throw new Error("The server did not answer the question.");
    if ("Error" in answer) throw new CallError(answer.Error.Code, answer.Error.Message, 400);
    return answer;
  });
  return (
    <div class="answer">
      <Show of={loaded}>{(answer) => <Explained question={question} answer={answer} />}</Show>
    </div>
  );
}

function pairsOf(conditions: ExplainRequest["conditions"] = {}): Pair[] {
  return Object.entries(conditions).map(([name, value]) => [name, String(value)]);
}

function optional<Name extends string, T>(name: Name, value: T | undefined): { [N in Name]?: T } {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The member has this name.
  return (value === undefined ? {} : { [name]: value }) as { [N in Name]?: T };
}

function commandOf({
  principal = "",
  action,
  key,
  encryptionContext = {},
  conditions = {},
}: ExplainRequest): string {
  const options = [
    `--as ${quoted(principal)}`,
    `--action ${quoted(action)}`,
    ...(key === undefined ? [] : [`--key ${quoted(key)}`]),
    ...Object.entries(encryptionContext).map(
      ([name, value]) => `--context ${quoted(`${name}=${value}`)}`,
    ),
    ...Object.entries(conditions).map(
      ([name, value]) => `--condition ${quoted(`${name}=${String(value)}`)}`,
    ),
  ];
  return `policy explain ${options.join(" ")}`;
}
