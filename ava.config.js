export default {
  files: ['test/**/*.test.ts', '!test/browser/**', '!test/long/**', '!test/system/**'],
  extensions: ['ts', 'js'],
  workerThreads: false,
  concurrency: 2,
  timeout: '120s',
};
