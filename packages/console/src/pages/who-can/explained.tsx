/**
 * An explanation as a tree: policies, their statements, and what each part of a statement made of the request.
 *
 * @module
 */
import type { Check, ExplainedStatement, Explanation, ExplainRequest } from "@env/kms";
import type { ExplainAnswer } from "@env/kms-server";
import type { ComponentChildren } from "preact";
import { whyDenied } from "../../access/ask.ts";
import type { Received } from "../../aws/wire.ts";
import { shortName } from "../../parts/format.tsx";
import { Additions } from "./additions.tsx";

type Answered = Extract<Received<ExplainAnswer>, { Decision: unknown }>;

export function Explained({
  question,
  answer: { Decision, Explanation: explanation },
}: {
  readonly question: ExplainRequest;
  readonly answer: Answered;
}) {
  return (
    <div class="stack">
      <section class={`verdict ${Decision.allowed ? "allowed" : "denied"}`} aria-label="Decision">
        <h2>{Decision.allowed ? "Allowed" : "Denied"}</h2>
        <p>
          {Decision.allowed ? (
            <>
              Through <bdi>{Decision.deciding ?? Decision.because}</bdi>.
            </>
          ) : (
            <bdi>{whyDenied(Decision)}</bdi>
          )}
        </p>
      </section>
      {explanation === undefined ? (
        <p class="notice">
          The policies behind it are shown to those who may simulate the principal
          (iam:SimulatePrincipalPolicy).
        </p>
      ) : (
        <>
          <Hints explanation={explanation} />
          <Additions question={question} explanation={explanation} />
          <Tree explanation={explanation} />
        </>
      )}
    </div>
  );
}

function Hints({
  explanation: { hints, nearMisses },
}: {
  readonly explanation: Received<Explanation>;
}) {
  return (
    <>
      {hints.map(({ code, message }) => (
        <p key={code} class="notice">
          {message}
        </p>
      ))}
      {nearMisses.length > 0 && (
        <section class="card" aria-label="Near misses">
          <h2>Nearly</h2>
          <ul>
            {nearMisses.map((each) => (
              <li key={each}>
                <bdi>{each}</bdi>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function Tree({ explanation }: { readonly explanation: Received<Explanation> }) {
  const { policies, grants, caller, action, resource } = explanation;
  return (
    <section class="card tree" aria-label="How it was decided">
      <h2>How it was decided</h2>
      <p class="subtitle">
        <bdi>{shortName(caller)}</bdi> asks for {action} on <bdi>{resource}</bdi>
      </p>
      {policies.map(({ policy, statements }, index) => (
        <details key={index} open={statements.some(({ matched, deciding }) => matched || deciding)}>
          <summary>
            {policy.type}
            {policy.name !== undefined && (
              <>
                {" "}
                “<bdi>{policy.name}</bdi>”
              </>
            )}{" "}
            <small>
              {statements.filter(({ matched }) => matched).length} of {statements.length} match
            </small>
          </summary>
          {statements.map((statement) => (
            <StatementOf key={statement.index} statement={statement} />
          ))}
        </details>
      ))}
      {grants.length > 0 && (
        <details open={grants.some(({ deciding }) => deciding)}>
          <summary>
            Grants{" "}
            <small>
              {grants.filter(({ matched }) => matched).length} of {grants.length} match
            </small>
          </summary>
          {grants.map(({ grantId, name, matched, deciding, why }) => (
            <Line key={grantId} matched={matched} name={name ?? `${grantId.slice(0, 12)}…`}>
              {why} {deciding && <Decided />}
            </Line>
          ))}
        </details>
      )}
    </section>
  );
}

function StatementOf({ statement }: { readonly statement: Received<ExplainedStatement> }) {
  const {
    sid,
    index,
    effect,
    matched,
    deciding,
    principal,
    action,
    resource,
    variables,
    conditions,
  } = statement;
  return (
    <details class="statement" open={matched || deciding}>
      <summary>
        <Sign matched={matched} /> {effect} <bdi>{sid ?? `statement ${index + 1}`}</bdi>{" "}
        {deciding && <Decided />}
      </summary>
      <CheckLine name="Principal" check={principal} />
      <CheckLine name="Action" check={action} />
      <CheckLine name="Resource" check={resource} />
      {variables !== undefined && <CheckLine name="Variables" check={variables} />}
      {conditions.map(({ operator, key, matched: holds, why, expected, actual }, place) => (
        <Line key={place} matched={holds} name={`${operator} ${key}`}>
          {why}{" "}
          <small>
            policy: <bdi>{expected.join(", ")}</bdi>; request:{" "}
            <bdi>{actual === undefined ? "absent" : String(actual)}</bdi>
          </small>
        </Line>
      ))}
    </details>
  );
}

function CheckLine({
  name,
  check: { matched, why },
}: {
  readonly name: string;
  readonly check: Received<Check>;
}) {
  return (
    <Line matched={matched} name={name}>
      {why}
    </Line>
  );
}

function Line({
  matched,
  name,
  children,
}: {
  readonly matched: boolean;
  readonly name: string;
  readonly children: ComponentChildren;
}) {
  return (
    <div class="line">
      <Sign matched={matched} />
      <span>{name}</span>
      <bdi>{children}</bdi>
    </div>
  );
}

function Sign({ matched }: { readonly matched: boolean }) {
  return (
    <span class={matched ? "sign yes" : "sign no"}>
      <span aria-hidden="true">{matched ? "✓" : "✗"}</span>
      <span class="hidden">{matched ? "matches" : "does not match"}</span>
    </span>
  );
}

function Decided() {
  return <span class="state">decided</span>;
}
