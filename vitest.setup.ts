import { vi } from "vitest";

// A worker runs many files. Each gets its own modules, as if it ran alone.
vi.resetModules();
