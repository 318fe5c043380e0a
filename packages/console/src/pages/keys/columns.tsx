/**
 * The columns of the list of keys.
 *
 * @module
 */
import { day, KeyLink, PrincipalName, shortName, State, Time } from "../../parts/format.tsx";
import type { TableColumn } from "../../parts/table.tsx";
import type { Summary } from "./summaries.ts";

/** @param calls - Calls in 30 days, by the ARN of the key. */
export function columnsWith(
  calls: ReadonlyMap<string, number> | undefined,
): readonly TableColumn<Summary>[] {
  const callsOf = ({ KeyArn }: Summary) =>
    calls === undefined ? undefined : (calls.get(KeyArn) ?? 0);
  return [
    {
      id: "alias",
      title: "Alias",
      heading: true,
      text: ({ Aliases = [], KeyId }) => (Aliases.length === 0 ? KeyId : Aliases.join(" ")),
      cell: ({ Aliases = [], KeyId, KeyArn, Metadata }) => {
        const [first, ...more] = Aliases;
        return (
          <div>
            {first === undefined ? (
              <KeyLink id={KeyArn} name={KeyId} />
            ) : (
              <KeyLink id={KeyArn} name={first.replace(/^alias\//, "")} />
            )}
            {more.length > 0 && <small title={more.join("\n")}> +{more.length} more</small>}
            {Metadata !== undefined && Metadata.Description !== "" && (
              <small class="description">
                <bdi>{Metadata.Description}</bdi>
              </small>
            )}
          </div>
        );
      },
    },
    {
      id: "description",
      title: "Description",
      text: ({ Metadata }) => Metadata?.Description ?? "",
      optional: true,
    },
    { id: "id", title: "Key ID", text: ({ KeyId }) => KeyId, optional: true },
    {
      id: "state",
      title: "State",
      text: ({ Metadata }) => Metadata?.KeyState ?? "",
      cell: ({ Metadata }) =>
        Metadata === undefined ? (
          <span class="none">not visible to you</span>
        ) : (
          <State state={Metadata.KeyState} />
        ),
    },
    { id: "spec", title: "Spec", text: ({ Metadata }) => Metadata?.KeySpec ?? "" },
    {
      id: "usage",
      title: "Usage",
      text: ({ Metadata }) => Metadata?.KeyUsage ?? "",
      optional: true,
    },
    {
      id: "origin",
      title: "Origin",
      text: ({ Metadata }) => Metadata?.Origin ?? "",
      optional: true,
    },
    {
      id: "rotation",
      title: "Rotation due",
      text: ({ Rotation }) => (Rotation?.NextDate === undefined ? "off" : day(Rotation.NextDate)),
      order: ({ Rotation }) => Rotation?.NextDate?.getTime(),
      cell: ({ Rotation }) =>
        Rotation?.NextDate === undefined ? (
          <span class="none">{Rotation === undefined ? "—" : "off"}</span>
        ) : (
          <Time date={Rotation.NextDate} />
        ),
    },
    {
      id: "last-used",
      title: "Last used",
      text: ({ LastUse }) =>
        LastUse === null
          ? "never"
          : LastUse === undefined
            ? ""
            : `${LastUse.Operation} ${day(LastUse.Time)}`,
      order: ({ LastUse }) => (LastUse === null ? 0 : LastUse?.Time.getTime()),
      cell: ({ LastUse }) =>
        LastUse === null || LastUse === undefined ? (
          <span class="none">{LastUse === null ? "never" : "—"}</span>
        ) : (
          <span>
            <Time date={LastUse.Time} /> <small>{LastUse.Operation}</small>
          </span>
        ),
    },
    {
      id: "last-user",
      title: "By",
      text: ({ LastUse }) => shortName(LastUse?.Principal ?? ""),
      cell: ({ LastUse }) =>
        LastUse?.Principal === undefined ? (
          <span class="none">—</span>
        ) : (
          <PrincipalName arn={LastUse.Principal} />
        ),
    },
    {
      id: "calls",
      title: "Calls, 30 days",
      text: (key) => callsOf(key)?.toLocaleString("en") ?? "",
      order: callsOf,
    },
    {
      id: "deletion",
      title: "Deletion date",
      text: ({ Metadata }) =>
        Metadata?.DeletionDate === undefined ? "" : day(Metadata.DeletionDate),
      order: ({ Metadata }) => Metadata?.DeletionDate?.getTime(),
      optional: true,
    },
    {
      id: "created",
      title: "Created",
      text: ({ Metadata }) => (Metadata === undefined ? "" : day(Metadata.CreationDate)),
      order: ({ Metadata }) => Metadata?.CreationDate.getTime(),
      optional: true,
    },
    {
      id: "tags",
      title: "Tags",
      text: ({ Tags = [] }) =>
        Tags.map(({ TagKey, TagValue }) => `${TagKey}=${TagValue}`).join(" "),
      cell: ({ Tags = [] }) => (
        <span>
          {Tags.map(({ TagKey, TagValue }) => (
            <bdi key={TagKey} class="tag" title={TagValue}>
              {TagKey}={TagValue}
            </bdi>
          ))}
        </span>
      ),
      optional: true,
    },
  ];
}
