/**
 * `<CostCalculator />` of docs/operations/cost.md.
 *
 * @module
 */
import { computed, defineComponent, h, reactive, type VNode } from "vue";
import { estimate, type Load } from "./cost.ts";

const fields: Readonly<Record<keyof Load, string>> = {
  encrypts: "messages encrypted a second",
  decrypts: "messages decrypted a second",
  processes: "processes",
  contexts: "contexts in use, such as tenants",
  dataKeys: "data keys of the messages that are read",
  maxAge: "maxAge, in seconds (0: no cache)",
  maxMessages: "maxMessages",
};

export const CostCalculator = defineComponent({
  name: "CostCalculator",
  setup() {
    const load = reactive<Record<keyof Load, number>>({
      encrypts: 50,
      decrypts: 200,
      processes: 4,
      contexts: 10,
      dataKeys: 100,
      maxAge: 300,
      maxMessages: 2 ** 20,
    });
    const bare = computed(() => estimate({ ...load, maxAge: 0 }));
    const cached = computed(() => estimate(load));
    const row = (name: string, of: (side: ReturnType<typeof estimate>) => string): VNode =>
      h("tr", [h("td", name), h("td", of(bare.value)), h("td", of(cached.value))]);
    return (): VNode =>
      h("div", { class: "cost-calculator" }, [
        h(
          "form",
          Object.entries(fields).map(([name, label]) => field(load, name as keyof Load, label)),
        ),
        h("table", { "aria-live": "polite" }, [
          h(
            "thead",
            h("tr", [h("th", ""), h("th", "without a cache"), h("th", "with this cache")]),
          ),
          h("tbody", [
            row("calls a second", ({ calls }) => number(calls)),
            row("US dollars a month", ({ dollars }) =>
              dollars.toLocaleString("en", { style: "currency", currency: "USD" }),
            ),
            row("messages that one leaked data key opens", ({ exposed }) => number(exposed)),
          ]),
        ]),
      ]);
  },
});

function field(load: Record<keyof Load, number>, name: keyof Load, label: string): VNode {
  const min =
    name === "processes" || name === "contexts" || name === "dataKeys" || name === "maxMessages"
      ? 1
      : 0;
  return h("label", [
    label,
    h("input", {
      type: "number",
      min,
      value: load[name],
      onInput: ({ target }: Event) => {
        const value = target instanceof HTMLInputElement ? target.valueAsNumber : NaN;
        if (value >= min) load[name] = value;
      },
    }),
  ]);
}

function number(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}
