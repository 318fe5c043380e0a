import { render } from "preact";
import { App } from "./app.tsx";
import { keepAlive } from "./session/session.ts";
import { applyTheme } from "./session/theme.ts";

applyTheme();
keepAlive();
const root = document.querySelector("#app");
if (root !== null) render(<App />, root);
