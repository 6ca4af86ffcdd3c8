import type { ThemeConfig } from "antd";
import { theme } from "antd";
import { useSyncExternalStore } from "react";

const root = document.documentElement; // index.html has set data-theme before the first paint
const listeners = new Set<() => void>();

const tokens = {
  colorPrimary: "#0f766e",
  colorInfo: "#0f766e",
  colorLink: "#0f766e",
  borderRadius: 8,
  fontFamily: "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans', 'DejaVu Sans', sans-serif",
};

const light: ThemeConfig = {
  token: { ...tokens, colorBgLayout: "#f5f6f8" },
  components: { Layout: { siderBg: "#ffffff" }, Menu: { itemSelectedBg: "#e6f4f1" }, Table: { headerBg: "#fafbfc" } },
};

const dark: ThemeConfig = {
  algorithm: theme.darkAlgorithm,
  token: {
    ...tokens,
    colorPrimary: "#2dd4bf",
    colorInfo: "#2dd4bf",
    colorLink: "#5eead4",
    colorBgLayout: "#0d1117",
    colorBgContainer: "#161b22",
    colorBgElevated: "#161b22",
    colorBorder: "#30363d",
    colorBorderSecondary: "#21262d",
  },
  components: { Button: { primaryColor: "#06201c" }, Table: { headerBg: "#1b2129" }, Menu: { itemSelectedBg: "#12312f" }, Segmented: { itemSelectedBg: "#30363d", trackBg: "#161b22" } },
};

export function useTheme() {
  const name = useSyncExternalStore(
    (f) => {
      listeners.add(f);
      return () => void listeners.delete(f);
    },
    () => root.dataset.theme,
  );
  return {
    dark: name === "dark",
    config: name === "dark" ? dark : light,
    toggle() {
      root.dataset.theme = name === "dark" ? "light" : "dark";
      localStorage.setItem("theme", root.dataset.theme);
      listeners.forEach((f) => f());
    },
  };
}
