import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// VUNGXA_NODE names a running node for `npm run dev`, for example
// http://127.0.0.1:4701. The node checks the exact Host, so the proxy sends it.
const node = process.env.VUNGXA_NODE

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    // The page's policy is default-src 'self': no font or image may become a data: address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One file, read from the node beside the browser: cutting it up would save nothing.
    chunkSizeWarningLimit: 800,
  },
  server: node === undefined ? {} : { proxy: { '/api': { target: node, changeOrigin: true } } },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/testing/setup.ts'],
    restoreMocks: true,
    // A guard against hanging, not a measure: the machine may be busy with other tests.
    testTimeout: 60_000,
  },
})
