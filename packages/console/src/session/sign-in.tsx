/**
 * Signing in with an access key.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { Dialog, Form } from "../parts/dialog.tsx";
import { Field } from "../parts/field.tsx";
import { messageOf } from "../parts/toast.tsx";
import { isReachable, changed } from "./reach.ts";
import { session, signIn } from "./session.ts";

export function SignInPage() {
  return (
    <main class="sign-in">
      <h1>Env console</h1>
      <p>Sign in with an access key of this keystore.</p>
      <SignInForm />
      <p class="aside">
        The secret key signs one request and is not sent. No key yet?{" "}
        <code>envelope access-keys create root</code>
      </p>
    </main>
  );
}

/** Over the page, which keeps what is on it. */
export function SignInAgain() {
  return (
    <Dialog title="Your session has ended" stays onClose={() => undefined}>
      <p>
        Sign in again as <bdi>{session.value?.principal}</bdi> to go on where you were. Nothing on
        this page is lost.
      </p>
      <SignInForm />
    </Dialog>
  );
}

function SignInForm() {
  const [accessKeyId, setAccessKeyId] = useState("");
  const [secretAccessKey, setSecretAccessKey] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const submit = async (): Promise<void> => {
    setBusy(true);
    setProblem("");
    try {
      await signIn({ accessKeyId: accessKeyId.trim(), secretAccessKey: secretAccessKey.trim() });
      changed();
    } catch (error) {
      setProblem(messageOf(error));
    } finally {
      setSecretAccessKey("");
      setBusy(false);
    }
  };
  return (
    <Form onSubmit={submit}>
      <Field
        label="Access key ID"
        value={accessKeyId}
        onChange={setAccessKeyId}
        autocomplete="username"
        required
        autofocus
      />
      <Field
        label="Secret access key"
        type="password"
        value={secretAccessKey}
        onChange={setSecretAccessKey}
        autocomplete="current-password"
        required
      />
      {problem !== "" && (
        <p class="notice refused" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" class="primary" disabled={busy || !isReachable.value}>
        Sign in
      </button>
    </Form>
  );
}
