/**
 * D12: the doctor, and what a driver describes for it.
 *
 * @module
 */
import { Cmk } from "@env/core";
import { doctor, type CmkDriver, type DoctorReport } from "@env/core/driver";
import { check, context, wrappedByFirst } from "../check.ts";
import type { CaseDefinition } from "../harness.ts";

function examine(driver: CmkDriver): Promise<DoctorReport> {
  return doctor(new Cmk(driver), { context });
}

function outcomes({ mayGenerate, mayWrap, mayUnwrap, mayRewrap }: DoctorReport): unknown[] {
  return [mayGenerate, mayWrap, mayUnwrap, mayRewrap];
}

export const doctorCases: readonly CaseDefinition[] = [
  {
    clause: "D12",
    name: "the doctor finds nothing wrong with a key that works",
    async run(setup) {
      const { entry } = await wrappedByFirst(setup);
      const report = await examine(setup.first);
      check(report.problems.length === 0, "there are no problems");
      check(report.reachable && outcomes(report).every((may) => may === true), "all is allowed");
      check(report.label === entry.keyId, "the label is the one in entries");
    },
  },
  {
    clause: "D12",
    name: "the doctor says that a key is missing",
    async run({ missing }) {
      const report = await examine(missing);
      check(report.reachable, "the KMS answered");
      check(!outcomes(report).includes(true) && report.mayWrap === false, "nothing is possible");
      check(
        report.problems.every(({ code }) => code === "ERR_ENVELOPE_KMS_KEY_NOT_FOUND"),
        "every problem is the missing key",
      );
    },
  },
  {
    clause: "D12",
    name: "the doctor says that calls are denied",
    needs: "deny",
    async run(setup) {
      await setup.deny?.();
      const report = await examine(setup.first);
      check(report.reachable, "a refusal is an answer");
      check(outcomes(report).includes(false), "an operation is not allowed");
      check(
        report.problems.some(({ code }) => code === "ERR_ENVELOPE_KMS_ACCESS_DENIED"),
        "the problem is the permission",
      );
    },
  },
  {
    clause: "D12",
    name: "the doctor says that a KMS does not answer, and nothing else",
    needs: "unreachable",
    async run(setup) {
      await setup.unreachable?.();
      const report = await examine(setup.first);
      check(!report.reachable && report.latencyMs === undefined, "there was no answer");
      check(
        outcomes(report).every((may) => may === undefined),
        "nothing is known",
      );
      check(report.problems.map((problem) => problem.check).join() === "reach", "one problem");
    },
  },
];
