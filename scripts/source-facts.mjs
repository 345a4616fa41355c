// What the layer check needs to know of a source file: its imports, its functions' lengths, its classes' methods.
import ts from 'typescript';

/**
 * @typedef {{ target: string, line: number, typeOnly: boolean, started?: boolean }} Import `target` as written; `started`: run as
 *   a thread or process of its own, not imported
 * @typedef {{ name: string, line: number, lines: number }} Extent of a function
 * @typedef {{ name: string, line: number, methods: number }} ClassFact `methods` counts public ones
 * @typedef {{ imports: Import[], functions: Extent[], classes: ClassFact[], defaultExport?: number, onlyReexports: boolean }} Facts
 */

/**
 * Reads a TypeScript or JavaScript module.
 * @param {string} path
 * @param {string} text
 * @returns {Facts}
 */
export function moduleFacts(path, text) {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const facts = { imports: [], functions: [], classes: [], defaultExport: undefined, onlyReexports: false };
  const lineOf = (position) => source.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node) => {
    const target = importTarget(node);
    if (target !== undefined) facts.imports.push({ ...target, line: lineOf(node.getStart()) });
    if (isDefaultExport(node)) facts.defaultExport = lineOf(node.getStart());
    if (ts.isClassLike(node)) facts.classes.push(classFact(node, lineOf(node.getStart())));
    if (ts.isFunctionLike(node) && node.body && !isGroupOfTests(node)) {
      const line = lineOf(node.getStart());
      facts.functions.push({ name: functionName(node), line, lines: codeLines(source, node, lineOf) });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  const statements = source.statements;
  facts.onlyReexports =
    statements.length > 0 && statements.every((s) => ts.isExportDeclaration(s) && s.moduleSpecifier);
  return facts;
}

/** The module a node names: import, export from, import(), require() or new URL(…, import.meta.url). */
function importTarget(node) {
  if (ts.isImportDeclaration(node)) {
    return { target: node.moduleSpecifier.text, typeOnly: isTypeOnlyImport(node) };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
    return { target: node.moduleSpecifier.text, typeOnly: node.isTypeOnly };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return { target: node.argument.literal.text, typeOnly: true };
  }
  const first = (ts.isCallExpression(node) || ts.isNewExpression(node)) && node.arguments?.[0];
  if (!first || !ts.isStringLiteralLike(first)) return undefined;
  const callee = node.expression;
  const loads = callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require');
  const locates = ts.isNewExpression(node) && callee.getText() === 'URL' && /^\.{1,2}\/.*\.js$/.test(first.text);
  return loads || locates ? { target: first.text, typeOnly: false, started: locates } : undefined;
}

function isTypeOnlyImport(node) {
  const clause = node.importClause;
  if (!clause) return false;
  if (clause.isTypeOnly) return true;
  const named = clause.namedBindings;
  return (
    !clause.name &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.length > 0 &&
    named.elements.every((e) => e.isTypeOnly)
  );
}

function isDefaultExport(node) {
  if (ts.isExportAssignment(node)) return true;
  if (ts.isExportSpecifier(node)) return node.name.text === 'default';
  return (
    ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((m) => m.kind === ts.SyntaxKind.DefaultKeyword)
  );
}

function classFact(node, line) {
  const isPublic = (member) =>
    ts.isMethodDeclaration(member) &&
    member.body !== undefined &&
    !ts.isPrivateIdentifier(member.name) &&
    !(ts.getModifiers(member) ?? []).some((m) =>
      [ts.SyntaxKind.PrivateKeyword, ts.SyntaxKind.ProtectedKeyword, ts.SyntaxKind.StaticKeyword].includes(m.kind),
    );
  return { name: node.name?.text ?? '(class)', line, methods: node.members.filter(isPublic).length };
}

/** A `describe(…, () => { … })` is a list of tests, not a function to be read as one. */
function isGroupOfTests(node) {
  const call = node.parent;
  return ts.isCallExpression(call) && ['describe', 'suite'].includes(call.expression.getText());
}

function functionName(node) {
  if (node.name) return node.name.getText();
  if (ts.isConstructorDeclaration(node)) return 'constructor';
  const parent = node.parent;
  if (parent && (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent))) return parent.name.getText();
  return '(function)';
}

/** Lines of a function that are not blank. */
function codeLines(source, node, lineOf) {
  const lines = source.text.slice(node.getStart(), node.getEnd()).split('\n');
  const blank = lines.filter((line) => line.trim() === '').length;
  return lineOf(node.getEnd()) - lineOf(node.getStart()) + 1 - blank;
}

/**
 * The functions of a C++ file and their lengths, found by braces: a body is a block outside any other body whose
 * head has a parameter list and is no namespace, type or initialiser.
 * @param {string} text
 * @returns {Extent[]}
 */
export function cppFunctions(text) {
  const code = blankOut(text);
  const functions = [];
  /** Open blocks; those that are no function bodies are `undefined`. */
  const open = [];
  let inside = 0;
  let head = 0;
  for (let at = 0; at < code.length; at++) {
    const character = code[at];
    if (character === '{') {
      if (inside === 0 && /\w/.test(code[at - 1] ?? '')) {
        at = skipInitialiser(code, at);
        continue;
      }
      const name = inside === 0 ? bodyName(code.slice(head, at)) : undefined;
      open.push(name === undefined ? undefined : { name, head: head + code.slice(head, at).search(/\S/) });
      if (name !== undefined) inside++;
    } else if (character === '}') {
      const block = open.pop();
      if (block) {
        inside--;
        functions.push(extentOf(text, block, at));
      }
    }
    if (character === '{' || character === '}' || (character === ';' && inside === 0)) head = at + 1;
  }
  return functions;
}

/** The place of the brace that ends `member_{…}`, whose opening brace is at `at`. */
function skipInitialiser(code, at) {
  let depth = 0;
  for (let end = at; end < code.length; end++) {
    if (code[end] === '{') depth++;
    if (code[end] === '}' && --depth === 0) return end;
  }
  return code.length;
}

function extentOf(text, block, end) {
  const line = text.slice(0, block.head).split('\n').length;
  const body = text.slice(block.head, end).split('\n');
  return { name: block.name, line, lines: body.filter((l) => l.trim() !== '').length };
}

/** The function's name where the text before a brace is a function's head. */
function bodyName(head) {
  const plain = head.trim();
  if (!plain.includes('(') || /^(namespace|struct|class|enum|union|extern)\b(?!.*\()/s.test(plain)) return undefined;
  if (/=\s*$/.test(plain)) return undefined;
  return plain.match(/([~\w:]+|operator\s*\S+)\s*\(/)?.[1];
}

/**
 * The code with spaces for what would mislead the search for functions, so that positions stay: comments, strings,
 * character literals, preprocessor lines and access specifiers.
 */
function blankOut(text) {
  const literal = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|R"([^(\s]*)\([\s\S]*?\)\1"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n]){1,4}'/g;
  const noise = /^[ \t]*#(?:\\\n|[^\n])*|\b(?:public|private|protected)\s*:(?!:)/gm;
  const blank = (found) => found.replace(/[^\n]/g, ' ');
  return text.replace(literal, blank).replace(noise, blank);
}
