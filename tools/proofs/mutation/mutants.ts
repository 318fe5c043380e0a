/**
 * Small faults in a source, each of which a test should notice: a condition negated, a boundary moved, an operator
 * exchanged, a call dropped, a constant changed.
 *
 * @module
 */
import ts from "typescript";

export interface Mutant {
  /** Line of the fault, from 1. */
  readonly line: number;
  readonly original: string;
  readonly replacement: string;
  /** The whole source with the fault. */
  readonly code: string;
}

const OPERATORS: ReadonlyMap<string, string> = new Map([
  ["<", "<="],
  ["<=", "<"],
  [">", ">="],
  [">=", ">"],
  ["===", "!=="],
  ["!==", "==="],
  ["&&", "||"],
  ["||", "&&"],
  ["+", "-"],
  ["-", "+"],
  ["*", "+"],
  ["&", "|"],
  ["|", "&"],
  ["<<", ">>"],
  [">>", "<<"],
  [">>>", "<<"],
]);

/** All mutants of a source, in the order of their places. */
export function mutantsOf(code: string): Mutant[] {
  const source = ts.createSourceFile("source.ts", code, ts.ScriptTarget.Latest, true);
  const mutants: Mutant[] = [];
  const replace = (node: ts.Node, replacement: string): void => {
    const [start, end] = [node.getStart(source), node.getEnd()];
    const { line } = source.getLineAndCharacterOfPosition(start);
    mutants.push({
      line: line + 1,
      original: code.slice(start, end).replace(/\s+/g, " ").slice(0, 80),
      replacement: replacement.replace(/\s+/g, " ").slice(0, 80),
      code: code.slice(0, start) + replacement + code.slice(end),
    });
  };
  const visit = (node: ts.Node): void => {
    // What is there for the compiler alone cannot be observed.
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node))
      return;
    if (ts.isTypeAliasDeclaration(node) || ts.isExportDeclaration(node)) return;
    mutate(node, replace);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return mutants;
}

function mutate(node: ts.Node, replace: (node: ts.Node, replacement: string) => void): void {
  if (ts.isBinaryExpression(node)) {
    const other = OPERATORS.get(node.operatorToken.getText());
    if (other !== undefined && !joinsText(node)) replace(node.operatorToken, other);
  } else if (ts.isIfStatement(node)) {
    replace(node.expression, `!(${node.expression.getText()})`);
  } else if (ts.isConditionalExpression(node)) {
    replace(node.condition, `!(${node.condition.getText()})`);
  } else if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
    replace(node, `(${node.operand.getText()})`);
  } else if (ts.isExpressionStatement(node) && isCall(node.expression)) {
    replace(node, ";");
  } else if (ts.isNumericLiteral(node)) {
    replace(node, `(${node.getText()} + 1)`);
  } else if (node.kind === ts.SyntaxKind.TrueKeyword) {
    replace(node, "false");
  } else if (node.kind === ts.SyntaxKind.FalseKeyword) {
    replace(node, "true");
  }
}

/** Text that is joined is for people: other text instead would be as good to a program. */
function joinsText({ left, right, operatorToken }: ts.BinaryExpression): boolean {
  if (operatorToken.kind !== ts.SyntaxKind.PlusToken) return false;
  return [left, right].some(
    (side) => ts.isStringLiteralLike(side) || ts.isTemplateExpression(side),
  );
}

function isCall(expression: ts.Expression): boolean {
  if (ts.isAwaitExpression(expression)) return isCall(expression.expression);
  return (
    ts.isCallExpression(expression) && expression.expression.kind !== ts.SyntaxKind.SuperKeyword
  );
}
