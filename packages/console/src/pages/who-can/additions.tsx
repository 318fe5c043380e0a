/**
 * The smallest additions that would allow a request, as changes to the policies that they belong to.
 *
 * @module
 */
import type { Addition, Explanation, ExplainRequest } from "@env/kms";
import { Link } from "wouter-preact";
import { kms } from "../../aws/calls.ts";
import type { Received } from "../../aws/wire.ts";
import { pretty } from "../../parts/code.tsx";
import { Diff } from "../../parts/diff.tsx";
import { keyAddress } from "../../parts/format.tsx";
import { useLoaded } from "../../parts/loading.tsx";
import { toText, withStatement } from "../../policy/key-policy.ts";

export function Additions({
  question: { key },
  explanation: { suggestions, suggestionsTruncated, deniedBy },
}: {
  readonly question: ExplainRequest;
  readonly explanation: Received<Explanation>;
}) {
  const { value: policy } = useLoaded(suggestions.length > 0 ? key : undefined, async () => {
    const { KeyMetadata } = await kms("describeKey", { KeyId: key });
    return pretty((await kms("getKeyPolicy", { KeyId: KeyMetadata.KeyId })).Policy);
  });
  if (suggestions.length === 0) return undefined;
  return (
    <section class="card" aria-label="What would allow it">
      <header>
        <h2>What would allow it</h2>
        {key !== undefined && <Link href={keyAddress(key, "policy")}>Open the key policy</Link>}
      </header>
      {deniedBy.length > 0 && (
        <p class="notice refused">
          First remove what denies it: <bdi>{deniedBy.join(", ")}</bdi>
        </p>
      )}
      {suggestions.map(({ additions }, index) => (
        <details key={index} open={index === 0}>
          <summary>
            {index === 0 ? "Smallest" : "Or"}: {additions.map(titleOf).join(", and ")}
          </summary>
          {additions.map((addition, place) => (
            <AdditionOf key={place} addition={addition} keyPolicy={policy} />
          ))}
        </details>
      ))}
      {suggestionsTruncated && <p class="none">There may be more.</p>}
    </section>
  );
}

function titleOf(addition: Received<Addition>): string {
  if (addition.to === "grants") return "a grant";
  if (addition.to === "grant tokens") return `the token of grant ${addition.grantId.slice(0, 12)}…`;
  return `a statement in the ${addition.to}`;
}

function AdditionOf({
  addition,
  keyPolicy,
}: {
  readonly addition: Received<Addition>;
  readonly keyPolicy: string | undefined;
}) {
  if (addition.to === "grants") {
    const { to: _, ...grant } = addition;
    return <Diff before="" after={toText(grant)} />;
  }
  if (addition.to === "grant tokens") return undefined;
  return addition.to === "key policy" && keyPolicy !== undefined ? (
    <Diff before={keyPolicy} after={withStatement(keyPolicy, addition.statement)} />
  ) : (
    <Diff before="" after={toText(addition.statement)} />
  );
}
