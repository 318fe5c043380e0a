/**
 * The S3 of the bench, in a process of its own: it says where it listens, and ends with whoever started it.
 *
 * @module
 */
import { startS3Server } from "@env/test-servers/s3";

const server = await startS3Server({ buckets: ["bench"] });
process.send?.(server.clientOptions);
process.on("disconnect", () => process.exit());
