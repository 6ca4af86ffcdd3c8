import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // livebridge is a link to ../../client: what it imports shall be this app's copy.
  resolve: { dedupe: ["react", "react-dom", "@refinedev/core", "@tanstack/react-query"] },
  server: { host: "127.0.0.1", strictPort: true, proxy: { "/api": `http://127.0.0.1:${process.env.BACKEND_PORT ?? 3000}` } },
  build: { chunkSizeWarningLimit: 2000 },
});
