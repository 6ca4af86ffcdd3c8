// Starts programs, shows what they say, and stops them: each by its own process id.
import { spawn } from "node:child_process";

/** ms before a program that died is started again: long enough to see the app without it. */
export const PAUSE = Number(process.env.RESTART_AFTER ?? 4_000);

export function createSupervisor() {
  const programs = new Map(); // name → { child, restart, started }
  let stopping;
  const running = () => [...programs.values()].filter(({ child }) => child.pid && child.exitCode === null && child.signalCode === null);
  process.on("exit", () => running().forEach(({ child }) => child.kill("SIGKILL"))); // whatever this script dies of

  function start(name, file, args, options = {}) {
    if (stopping) return;
    // Detached: Ctrl-C in the terminal reaches this script alone, which stops the programs in good order.
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], detached: true, cwd: options.cwd, env: { ...process.env, ...options.env } });
    const program = { child, gone: new Promise((resolve) => child.once("close", resolve)), failed: undefined };
    for (const stream of [child.stdout, child.stderr]) lines(stream, (line) => console.log(`[${name}] ${line}`));
    child.once("error", (e) => (program.failed = e.message));
    child.once("exit", (code, signal) => {
      program.failed ??= signal ?? `exit status ${code}`;
      if (stopping) return;
      if (!options.restart || !program.ready) return program.ready && stop(1, `${name} ended: ${program.failed}`);
      console.log(`[${name}] ended (${program.failed}); started again in ${PAUSE / 1000} s`);
      setTimeout(() => {
        start(name, file, args, options);
        if (programs.get(name) !== program) programs.get(name).ready = true;
      }, PAUSE).unref();
    });
    programs.set(name, program);
  }

  /** Waits until the program answers with 200. */
  async function ready(name, url, within = 30_000) {
    const program = programs.get(name);
    for (const end = Date.now() + within; Date.now() < end && !program?.failed && !stopping; await new Promise((r) => setTimeout(r, 100))) {
      const response = await fetch(url).catch(() => undefined);
      if (response?.ok) return void (program.ready = true);
    }
    throw new Error(program?.failed ? `${name} did not start: ${program.failed}` : `${name} does not answer at ${url}`);
  }

  /** Stops all, the newest first, and ends this process. */
  function stop(code, why) {
    if (why) console.error(`\n${why}`);
    return (stopping ??= (async () => {
      for (const { child, gone } of running().reverse()) {
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), 12_000);
        await gone;
        clearTimeout(timer);
      }
      process.exit(code);
    })());
  }

  return { start, ready, stop, stopping: () => stopping !== undefined, pid: (name) => programs.get(name)?.child.pid };
}

function lines(stream, f) {
  let rest = "";
  stream.setEncoding("utf8").on("data", (data) => {
    const all = (rest + data).split("\n");
    rest = all.pop();
    all.forEach(f);
  });
}
