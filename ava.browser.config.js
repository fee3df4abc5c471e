export default {
  files: ['test/browser/**/*.test.ts'],
  extensions: ['ts', 'js'],
  workerThreads: false,
  concurrency: 1,
  serial: true,
  timeout: '180s',
};
