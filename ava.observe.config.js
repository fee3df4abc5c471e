export default {
  files: ['test/observe/**/*.test.ts'],
  extensions: ['ts', 'js'],
  workerThreads: false,
  concurrency: 1,
  timeout: '120s',
};
