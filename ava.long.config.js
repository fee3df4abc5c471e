export default {
  files: ['test/long/**/*.test.ts'],
  extensions: ['ts', 'js'],
  workerThreads: false,
  concurrency: 1,
  timeout: '20m',
};
