/**
 * An object as a source of ranges, all of one version of it.
 *
 * @module
 */
import { buffer } from "node:stream/consumers";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import type { RangeSource } from "@env/node-stream";
import { abortable, hasName, readableOf, type ObjectFront, type Sender } from "./object-front.ts";
import { replaced } from "./opened-object.ts";

/** What the front holds is not read again. */
export function objectSource(
  client: Sender,
  { input, output, bytes, size }: ObjectFront,
): RangeSource {
  const { ETag, VersionId } = output;
  return {
    size,
    async read(start, end, signal) {
      if (end <= bytes.length) return bytes.subarray(start, end);
      const Range = `bytes=${start}-${end - 1}`;
      const command = new GetObjectCommand({ ...input, VersionId, IfMatch: ETag, Range });
      try {
        const { Body } = await client.send(command, abortable(signal));
        return await buffer(readableOf(Body));
      } catch (error) {
        if (hasName(error, "PreconditionFailed")) throw replaced(input, error);
        throw error;
      }
    },
  };
}
