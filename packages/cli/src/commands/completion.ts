/**
 * `envelope completion`: a script with which a shell completes commands, options and their values. It is complete
 * in itself: pressing Tab does not start `envelope`.
 *
 * @module
 */
import { Argument } from "@commander-js/extra-typings";
import { allCommands, outlineOf, type CommandOutline, type OptionOutline } from "../outline.ts";
import { examples, type Program } from "../program.ts";
import type { Ui } from "../ui.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export function addCompletion(program: Program, ui: Ui): void {
  program
    .command("completion")
    .summary("Print a completion script for a shell.")
    .description(
      "Print a script with which a shell completes the commands and options of envelope.",
    )
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText(
      "after",
      examples(
        "envelope completion fish > ~/.config/fish/completions/envelope.fish",
        `echo 'eval "$(envelope completion bash)"' >> ~/.bashrc`,
        `echo 'eval "$(envelope completion zsh)"' >> ~/.zshrc     # below compinit`,
      ),
    )
    .action(async (shell) => {
      const script = scripts[shell](allCommands(outlineOf(program)));
      await ui.answer(script.trimEnd(), { shell, script });
    });
}

/** An option, and the command that has it: the program's own may follow every command. */
interface Placed {
  /** A pattern for the command's path. */
  readonly path: string;
  readonly option: OptionOutline;
}

function placed(commands: readonly CommandOutline[]): Placed[] {
  return commands.flatMap(({ path, options }) =>
    options.map((option) => ({ path: path === "" ? "*" : path, option })),
  );
}

/**
 * The cases of a shell's `case "$at:$word"` that follow the words before the cursor: `at` becomes the path of the
 * command that they name, `value` the option whose value comes next.
 */
function cases(commands: readonly CommandOutline[]): string {
  const steps = commands.flatMap(({ path, commands: below }) =>
    below.map((one) => `"${path}:${one.path.slice(path.length).trimStart()}") at="${one.path}" ;;`),
  );
  const values = placed(commands)
    .filter(({ option }) => option.takesValue)
    .map(({ path, option }) => `${patterns(path, option)}) value="$word" ;;`);
  return [...values, ...steps].map((line) => `      ${line}`).join("\n");
}

/** `"keys rotate:-o"|"keys rotate:--output"`, and `*:--json` for an option of every command. */
function patterns(path: string, { names }: OptionOutline): string {
  return names.map((name) => (path === "*" ? `*:${name}` : `"${path}:${name}"`)).join("|");
}

function choices(commands: readonly CommandOutline[]): Placed[] {
  return placed(commands).filter(({ option }) => option.choices.length > 0);
}

/** The values of a command's options and its own subcommands, as the program's help gives them. */
function offered(command: CommandOutline, [program]: readonly CommandOutline[]): OptionOutline[] {
  const names = new Set(command.options.flatMap((option) => option.names));
  const ofProgram = program?.options.filter(
    (option) => !option.names.some((name) => names.has(name)),
  );
  return [...command.options, ...(ofProgram ?? [])];
}

function bashScript(commands: readonly CommandOutline[]): string {
  const values = choices(commands).map(
    ({ path, option }) => `      ${patterns(path, option)}) words="${option.choices.join(" ")}" ;;`,
  );
  const words = commands.map((command) => {
    const subcommands = command.commands.map(lastName).join(" ");
    const options = offered(command, commands).flatMap(({ names }) => names);
    return `      "${command.path}") commands="${subcommands}" options="${options.join(" ")}" ;;`;
  });
  return `# Completion of envelope for bash.
_envelope() {
  local current=\${COMP_WORDS[COMP_CWORD]} at="" value="" word words="" commands="" options="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == "=" ]]; then continue; fi
    if [[ -n $value ]]; then value=""; continue; fi
    case "$at:$word" in
${cases(commands)}
    esac
  done
  if [[ $current == "=" ]]; then current=""; fi
  if [[ -n $value ]]; then
    case "$at:$value" in
${values.join("\n")}
      *) compopt -o default; return ;;
    esac
  else
    case "$at" in
${words.join("\n")}
    esac
    if [[ $current == -* ]]; then words=$options; else words=$commands; fi
  fi
  if [[ -z $words ]]; then compopt -o default; return; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _envelope envelope
`;
}

function zshScript(commands: readonly CommandOutline[]): string {
  const values = choices(commands).map(
    ({ path, option }) =>
      `      ${patterns(path, option)}) compadd -- ${option.choices.join(" ")} ;;`,
  );
  const words = commands.map((command) => {
    const subcommands = command.commands.map((one) => [lastName(one), one.summary] as const);
    const options = offered(command, commands).flatMap(({ names, description }) =>
      names.map((name) => [name, description] as const),
    );
    return `      "${command.path}") subcommands=(${pairs(subcommands)}) flags=(${pairs(options)}) ;;`;
  });
  return `#compdef envelope
# Completion of envelope for zsh.
_envelope() {
  local at="" value="" word
  local -a subcommands flags
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ -n $value ]]; then value=""; continue; fi
    case "$at:$word" in
${cases(commands)}
    esac
  done
  if [[ -n $value ]]; then
    case "$at:$value" in
${values.join("\n")}
      *) _files ;;
    esac
    return
  fi
  case "$at" in
${words.join("\n")}
  esac
  if [[ $words[CURRENT] == -* ]]; then
    _describe -o option flags
  elif (( $#subcommands )); then
    _describe command subcommands
  else
    _files
  fi
}
if [[ $funcstack[1] == _envelope ]]; then _envelope "$@"; else compdef _envelope envelope; fi
`;
}

/** Words for `_describe`: name and text with a colon between them. */
function pairs(entries: readonly (readonly [name: string, text: string])[]): string {
  return entries.map(([name, text]) => quoted(`${name}:${text.replaceAll(":", "\\:")}`)).join(" ");
}

function fishScript(commands: readonly CommandOutline[]): string {
  const steps = commands.flatMap(({ path, commands: below }) =>
    below.map((one) => `      case "${path}:${lastName(one)}"\n        set at "${one.path}"`),
  );
  const values = placed(commands)
    .filter(({ option }) => option.takesValue)
    .map(({ path, option: { names } }) => {
      const words = names.map((name) => `"${path}:${name}"`).join(" ");
      return `      case ${words}\n        set skip 1`;
    });
  const options = placed(commands).map(({ path, option }) => {
    const condition = path === "*" ? "" : ` -n '__envelope_at "${path}"'`;
    const names = option.names.map((name) =>
      name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
    );
    const value =
      option.choices.length > 0
        ? ` -x -a '${option.choices.join(" ")}'`
        : option.takesValue
          ? " -r"
          : "";
    return `complete -c envelope${condition} ${names.join(" ")}${value} -d ${quoted(option.description)}`;
  });
  const subcommands = commands.flatMap(({ path, commands: below }) =>
    below.map(
      (one) =>
        `complete -c envelope -f -n '__envelope_at "${path}"' -a ${lastName(one)} -d ${quoted(one.summary)}`,
    ),
  );
  return `# Completion of envelope for fish.
function __envelope_at
  set -l at ""
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1
      set skip 0
      continue
    end
    switch "$at:$word"
${[...values, ...steps].join("\n")}
    end
  end
  test "$at" = "$argv[1]"
end
${[...options, ...subcommands].join("\n")}
`;
}

function lastName({ path }: CommandOutline): string {
  return path.slice(path.lastIndexOf(" ") + 1);
}

/** A word for any of the three shells: a quote is closed, escaped in double quotes, and opened again. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}
