export default {
  files: ['test/system/**/*.test.ts'],
  extensions: ['ts', 'js'],
  workerThreads: false,
  concurrency: 1,
  timeout: '120s',
};
