/**
 * A secret that is shown for a while: hidden until it is asked for, and wiped by itself.
 *
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import { Code } from "../../parts/code.tsx";

/** How long a secret stays, in seconds. */
const STAYS = 60;

export function Secret({
  text,
  label,
  onWipe,
}: {
  readonly text: string;
  readonly label: string;
  readonly onWipe: () => void;
}) {
  const [left, setLeft] = useState(STAYS);
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const timer = setInterval(() => setLeft((seconds) => seconds - 1), 1000);
    return () => clearInterval(timer);
  }, [text]);
  useEffect(() => {
    if (left <= 0) onWipe();
  }, [left]);
  return (
    <div class="secret">
      {visible ? <Code text={text} label={label} /> : <p class="none">{label}: hidden</p>}
      <div class="buttons">
        <button type="button" class="small" onClick={() => setVisible(!visible)}>
          {visible ? "Hide" : "Show"} {label}
        </button>
        <button type="button" class="small" onClick={onWipe}>
          Wipe now
        </button>
        <small>wiped in {left} s</small>
      </div>
    </div>
  );
}
