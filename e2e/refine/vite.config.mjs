import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const client = (name) => fileURLToPath(new URL(`../../client/src/${name}.ts`, import.meta.url));

export default defineConfig({
  root: fileURLToPath(new URL("app", import.meta.url)),
  plugins: [react()],
  logLevel: "warn",
  build: { emptyOutDir: true, chunkSizeWarningLimit: 3000, minify: false },
  resolve: {
    // The client as it is in this checkout, whether built or not; its React is ours.
    alias: { "livebridge/refine": client("refine"), "livebridge/react": client("react"), livebridge: client("index") },
    dedupe: ["react", "react-dom"],
  },
});
