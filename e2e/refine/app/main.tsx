import "@ant-design/v5-patch-for-react-19";
import { Refine } from "@refinedev/core";
import routerProvider from "@refinedev/react-router";
import { ConfigProvider } from "antd";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Outlet, Route, Routes } from "react-router";
import { withOrigin } from "livebridge/refine";
import { log, settings } from "./bed";
import { dataProvider } from "./dataProvider";
import { note } from "./hooks";
import { client, provider, queryClient } from "./live";
import { Badge, EditPage, HooksPage, ManyPage, ModalPage, MutatePage, ShowPage, SubscriptionPage } from "./pages";

Object.assign(window, { bed: { log, client, queryClient } });
addEventListener("error", (e) => log.errors.push(`error: ${e.message}`));
addEventListener("pageshow", (e) => e.persisted && log.states.push("restored"));
addEventListener("unhandledrejection", (e) => log.errors.push(`unhandledrejection: ${e.reason}`));

const App = () => (
  <BrowserRouter>
    <ConfigProvider theme={{ token: { motion: false } }}>
      <Refine
        dataProvider={withOrigin(dataProvider, client)}
        liveProvider={provider}
        routerProvider={routerProvider}
        onLiveEvent={note("Refine")}
        resources={[
          { name: "posts", list: "/posts", show: "/posts/show/:id", edit: "/posts/edit/:id", meta: { label: "Posts" } },
          { name: "comments" },
          { name: "catalog", identifier: "catalog-eu" },
          { name: "blog/posts.v2" },
        ]}
        options={{ liveMode: settings.liveMode ?? "auto", reactQuery: { clientConfig: queryClient }, disableTelemetry: true, mutationMode: "pessimistic" }}
      >
        <Routes>
          <Route
            element={
              <>
                <Badge />
                <Outlet />
              </>
            }
          >
            <Route path="/hooks" element={<HooksPage />} />
            <Route path="/posts/show/:id" element={<ShowPage />} />
            <Route path="/posts/edit/:id" element={<EditPage />} />
            <Route path="/many" element={<ManyPage />} />
            <Route path="/modal" element={<ModalPage />} />
            <Route path="/mutate" element={<MutatePage />} />
            <Route path="/subscription" element={<SubscriptionPage />} />
            <Route path="*" element={null} />
          </Route>
        </Routes>
      </Refine>
    </ConfigProvider>
  </BrowserRouter>
);

createRoot(document.getElementById("root")!).render(settings.strict ? <StrictMode children={<App />} /> : <App />);
