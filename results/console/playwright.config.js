import { defineConfig } from "@playwright/test";

// Debian's Chromium, and servers that TestTheConsoleInABrowser (browser_test.go) starts: nothing is downloaded, nothing is a stand-in.
export default defineConfig({
  testDir: "e2e",
  testIgnore: process.env.LAMPLIGHTER_CONTROL ? [] : "restart.spec.js", // it needs a server that restart_test.go can kill
  workers: 1,
  fullyParallel: false,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: [["line"]],
  outputDir: "test-results",
  use: {
    baseURL: process.env.LAMPLIGHTER_URL ?? "http://127.0.0.1:9618",
    viewport: { width: 1180, height: 720 },
    trace: "off",
    launchOptions: {
      executablePath: process.env.LAMPLIGHTER_CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    },
  },
});
