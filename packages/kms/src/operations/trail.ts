/**
 * Gathers what the audit log is told about a call, and writes it once, whatever the outcome.
 *
 * @module
 */
import { isEnvelopeError } from "@env/core";
import type { Asked, Resolved } from "../access/question.ts";
import { aliasArn, type Realm } from "../arn.ts";
import type { AuditEvent, AuditSink } from "../audit/event.ts";
import { operationRows, type OperationName } from "../catalogue/operations.ts";
import { arnOf } from "../keys/key.ts";
import type { KeyRecord } from "../store/key-record.ts";
import type { DueEvent } from "../keys/lifecycle.ts";
import type { Caller } from "../policy/request.ts";
import type { Session } from "../access/session.ts";
import type { Store } from "../store/store.ts";

/** The outcome of a call. */
export type Outcome<Response> = { readonly response: Response } | { readonly error: Error };

/** The part of an environment that a trail needs. */
interface Surroundings {
  readonly store: Store;
  readonly session: Session;
  readonly audit: AuditSink;
  readonly requestId?: string;
}

export class Trail {
  readonly #environment: Surroundings;
  readonly #operation: OperationName;
  readonly #parameters: Readonly<Record<string, unknown>>;
  #asked: Asked[] = [];
  #resources: readonly string[] = [];
  #principalId: string | undefined;
  #recorded = false;

  constructor(environment: Surroundings, operation: OperationName, request: object) {
    this.#environment = environment;
    this.#operation = operation;
    // Now: whatever becomes of the caller's objects later, the log has what was asked for.
    this.#parameters = snapshot(request, MAX_DEPTH);
  }

  get recorded(): boolean {
    return this.#recorded;
  }

  /** A transaction begins, maybe again: what an earlier try has found does not count. */
  begin({ userId }: Caller): void {
    this.#asked = [];
    this.#resources = [];
    this.#principalId = userId;
  }

  found(resolved: readonly Resolved[]): void {
    this.#resources = resolved.flatMap((one) => resourceOf(one, this.#environment.session.realm));
  }

  asked(answer: Asked): void {
    this.#asked.push(answer);
  }

  /**
   * @param facts.created - A key that was not there to be asked for: as in CloudTrail, it is what the record is
   * about, so that a key's first record is found.
   * @throws as {@link AuditSink.append}.
   */
  record(
    outcome: Outcome<unknown>,
    { dryRun, created }: { readonly dryRun: boolean; readonly created: string | undefined },
  ): void | Promise<void> {
    this.#recorded = true;
    const { store, session, audit, requestId } = this.#environment;
    return audit.append({
      time: store.now(),
      region: session.realm.region,
      operation: this.#operation,
      ...session.identity,
      ...(requestId === undefined ? {} : { requestId }),
      ...(this.#principalId === undefined ? {} : { principalId: this.#principalId }),
      readOnly: operationRows[this.#operation].mode === "read",
      resources: created === undefined ? this.#resources : [...this.#resources, created],
      parameters: this.#parameters,
      decisions: this.#asked.map(toDecision),
      ...(dryRun ? { dryRun: true } : {}),
      ...toResult(outcome),
    });
  }
}

/** How deep requests go: a tag in a list, a pair in a constraint. */
const MAX_DEPTH = 3;

/** Something that the KMS does by itself with a key. */
export interface OwnEvent extends Partial<Pick<DueEvent, "keyMaterialId">> {
  readonly operation: DueEvent["operation"] | "CreateKey" | "DeleteKey";
  readonly key: KeyRecord;
}

/** What the KMS does by itself: no one's request, so nobody was asked. */
export function ownEvent(
  { operation, key, keyMaterialId }: OwnEvent,
  realm: Pick<Realm, "accountId">,
  time: number,
): AuditEvent {
  const { keyId, region } = key;
  return {
    time,
    region,
    operation,
    principal: "kms.amazonaws.com",
    accountId: realm.accountId,
    readOnly: false,
    resources: [arnOf(key, realm)],
    parameters: { KeyId: keyId },
    ...(keyMaterialId === undefined ? {} : { response: { KeyMaterialId: keyMaterialId } }),
    decisions: [],
  };
}

/** ARNs of what a question is about. */
function resourceOf({ question, record }: Resolved, realm: Realm): readonly string[] {
  if (question.on === "alias") return [aliasArn(realm, question.name)];
  return record === undefined ? [] : [arnOf(record, realm)];
}

function toDecision({ request, decision }: Asked): AuditEvent["decisions"][number] {
  const { allowed, because, deciding } = decision;
  return {
    action: request.action,
    resource: request.resource,
    allowed,
    because,
    ...(deciding === undefined ? {} : { deciding }),
  };
}

function toResult(outcome: Outcome<unknown>): Pick<AuditEvent, "response" | "error"> {
  if ("error" in outcome) {
    const { error } = outcome;
    const code = isEnvelopeError(error) ? error.code : error.name;
    return { error: { code, message: error.message } };
  }
  const { response } = outcome;
  return isStructure(response) ? { response } : {};
}

/** A copy of a request without its bytes. */
function snapshot(request: object, depth: number): Readonly<Record<string, unknown>> {
  // Without a prototype: __proto__ is a member like any other.
  const copy: Record<string, unknown> = Object.create(null);
  for (const [member, value] of Object.entries(request)) {
    if (!(value instanceof Uint8Array)) copy[member] = snapshotOf(value, depth);
  }
  return copy;
}

function snapshotOf(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (depth === 0) return undefined;
  if (Array.isArray(value)) return value.map((item) => snapshotOf(item, depth - 1));
  return snapshot(value, depth - 1);
}

function isStructure(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
