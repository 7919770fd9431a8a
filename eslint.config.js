import tseslint from 'typescript-eslint'

/**
 * typescript-eslint's type-aware sets, what they leave to ESLint's core, and the house's way of writing. The layout rules are
 * ESLint's own, deprecated but shipped with version 9; they spare us a formatter.
 */
const layout = {
  'arrow-spacing': 'error',
  'comma-dangle': ['error', 'always-multiline'],
  'comma-spacing': 'error',
  'eol-last': 'error',
  'keyword-spacing': 'error',
  'max-len': ['error', { code: 140, ignoreUrls: true }],
  'no-multiple-empty-lines': ['error', { max: 1, maxBOF: 0, maxEOF: 0 }],
  'no-tabs': 'error',
  'no-trailing-spaces': 'error',
  'object-curly-spacing': ['error', 'always'],
  'quotes': ['error', 'single', { avoidEscape: true, allowTemplateLiterals: false }],
  'semi': ['error', 'never', { beforeStatementContinuationChars: 'never' }],
  'space-before-blocks': 'error',
  'space-infix-ops': 'error',
}

const core = {
  'eqeqeq': 'error',
  'no-console': 'error',
  'no-constant-binary-expression': 'error',
  'no-empty': 'error',
  'no-fallthrough': 'error',
  'no-implicit-coercion': 'error',
  'no-param-reassign': 'error',
  'no-self-compare': 'error',
  'no-unmodified-loop-condition': 'error',
  'no-unsafe-finally': 'error',
  'no-useless-escape': 'error',
  'no-var': 'error',
  'object-shorthand': 'error',
  'prefer-const': 'error',
}

const typed = {
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': 'error',
  '@typescript-eslint/consistent-type-imports': 'error',
  '@typescript-eslint/consistent-indexed-object-style': 'off',
  '@typescript-eslint/consistent-type-definitions': 'off',
  '@typescript-eslint/no-empty-function': 'off',
  '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
  // It asks for `!`, which no-non-null-assertion forbids.
  '@typescript-eslint/non-nullable-type-assertion-style': 'off',
  // An interface of promises is kept by async functions, whether or not each has something to wait for.
  '@typescript-eslint/require-await': 'off',
  '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
}

export default tseslint.config(
  { ignores: ['dist/', '.build-*/', 'node_modules/', 'data/', 'src/console/'] },
  {
    files: ['src/**/*.ts', 'test/**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { ...core, ...layout, ...typed },
  },
  {
    files: ['test/**/*.ts', 'src/cli/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    // Rows of a table, with patterns and lists of names as AWS publishes them.
    files: ['src/api/**/*.ts'],
    rules: { 'max-len': 'off' },
  },
  {
    // `expect(x).to.be.true` is an expression to the linter and a check to chai.
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-unused-expressions': 'off' },
  },
  { files: ['**/*.js'], rules: { ...core, ...layout, 'no-console': 'off' } },
)
