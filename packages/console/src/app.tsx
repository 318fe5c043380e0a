/**
 * The shell: who is signed in, where one can go, and the page of the address.
 *
 * @module
 */
import { useEffect } from "preact/hooks";
import { Link, Redirect, Route, Router, Switch, useLocation } from "wouter-preact";
import { AuditPage } from "./pages/audit/audit-page.tsx";
import { CostPage } from "./pages/cost/cost-page.tsx";
import { CreateKeyPage } from "./pages/create-key/create-key-page.tsx";
import { KeyPage } from "./pages/key/key-page.tsx";
import { KeysPage } from "./pages/keys/keys-page.tsx";
import { PrincipalPage } from "./pages/principals/principal-page.tsx";
import { PrincipalsPage } from "./pages/principals/principals-page.tsx";
import { TryItPage } from "./pages/try-it/try-it-page.tsx";
import { WhoCanPage } from "./pages/who-can/who-can-page.tsx";
import { shortName } from "./parts/format.tsx";
import { Toasts } from "./parts/toast.tsx";
import { isReachable } from "./session/reach.ts";
import { resumeSession, session, sessionState, signOut } from "./session/session.ts";
import { SignInAgain, SignInPage } from "./session/sign-in.tsx";
import { theme, themes } from "./session/theme.ts";

const places = [
  ["/keys", "Keys"],
  ["/who-can", "Who can do what"],
  ["/principals", "Principals"],
  ["/audit", "Audit"],
  ["/try-it", "Try it"],
  ["/cost", "Cost"],
] as const;

export function App() {
  const state = sessionState.value;
  useEffect(() => {
    if (state === "unknown") void resume();
  }, []);
  return (
    <Router base="/console">
      {!isReachable.value && (
        <p class="banner" role="alert">
          The server does not answer. Trying again…
        </p>
      )}
      {state === "unknown" && (
        <header class="top">
          <span class="brand">Env console</span>
        </header>
      )}
      {state === "none" && <SignInPage />}
      {(state === "active" || state === "over") && <Shell />}
      {state === "over" && <SignInAgain />}
      <Toasts />
    </Router>
  );
}

async function resume(): Promise<void> {
  try {
    await resumeSession();
  } catch {
    setTimeout(() => void resume(), 1000);
  }
}

function Shell() {
  return (
    <>
      <a class="skip" href="#content">
        Skip to content
      </a>
      <header class="top">
        <Link href="/keys" class="brand">
          Env console
        </Link>
        <Account />
      </header>
      <div class="frame">
        <Places />
        <main id="content" tabIndex={-1}>
          <Pages />
        </main>
      </div>
    </>
  );
}

function Pages() {
  const [path] = useLocation();
  const rest = (prefix: string): string => decodeURIComponent(path.slice(prefix.length));
  return (
    <Switch>
      <Route path="/">
        <Redirect to="/keys" replace />
      </Route>
      <Route path="/keys">
        <KeysPage />
      </Route>
      <Route path="/create-key">
        <CreateKeyPage />
      </Route>
      <Route path="/keys/*">
        <KeyPage key={path} name={rest("/keys/")} />
      </Route>
      <Route path="/who-can">
        <WhoCanPage />
      </Route>
      <Route path="/principals">
        <PrincipalsPage />
      </Route>
      <Route path="/principals/*">
        <PrincipalPage key={path} arn={rest("/principals/")} />
      </Route>
      <Route path="/audit">
        <AuditPage />
      </Route>
      <Route path="/try-it">
        <TryItPage />
      </Route>
      <Route path="/cost">
        <CostPage />
      </Route>
      <Route>
        <h1>Nothing is at this address</h1>
        <p>
          <Link href="/keys">All keys</Link>
        </p>
      </Route>
    </Switch>
  );
}

function Places() {
  const [path] = useLocation();
  return (
    <nav class="places" aria-label="Console">
      {places.map(([address, name]) => (
        <Link
          key={address}
          href={address}
          aria-current={path.startsWith(address) ? "page" : undefined}
        >
          {name}
        </Link>
      ))}
    </nav>
  );
}

function Account() {
  const { principal = "", accountId, region } = session.value ?? {};
  return (
    <details class="menu account">
      <summary>
        <span class="wide-only">
          {accountId} · {region} ·{" "}
        </span>
        <bdi>{shortName(principal)}</bdi>
      </summary>
      <div>
        <p>
          <small>Signed in as</small>
          <br />
          <bdi>{principal}</bdi>
        </p>
        <div class="segments" role="group" aria-label="Theme">
          {themes.map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={theme.value === each}
              onClick={() => (theme.value = each)}
            >
              {each}
            </button>
          ))}
        </div>
        <button type="button" onClick={() => void signOut()}>
          Sign out
        </button>
      </div>
    </details>
  );
}
