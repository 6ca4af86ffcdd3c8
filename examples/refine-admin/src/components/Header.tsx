import { MoonOutlined, SunOutlined } from "@ant-design/icons";
import { useOne, useUpdate } from "@refinedev/core";
import { Avatar, Button, Dropdown, Layout, Select, Space, Switch, Tooltip, Typography, theme } from "antd";
import { useTheme } from "../theme";
import type { Simulation } from "../types";
import { colorOf, setUser, useUser, users } from "../user";
import { LiveBadge } from "./LiveBadge";

export function Header() {
  const { token } = theme.useToken();
  const { dark, toggle } = useTheme();
  return (
    <Layout.Header className="header" style={{ background: token.colorBgElevated, borderBottom: `1px solid ${token.colorBorderSecondary}` }}>
      <SimulationSwitch />
      <Space size="middle">
        <LiveBadge />
        <Tooltip title={dark ? "Light" : "Dark"}>
          <Button type="text" shape="circle" aria-label={dark ? "Light theme" : "Dark theme"} icon={dark ? <SunOutlined /> : <MoonOutlined />} onClick={toggle} />
        </Tooltip>
        <User />
      </Space>
    </Layout.Header>
  );
}

/** Lets customers come in, in the backend. Its setting is a record like any other: the switch moves in all windows. */
function SimulationSwitch() {
  const { result: now } = useOne<Simulation>({ resource: "settings", id: "simulation" });
  const { mutate, mutation } = useUpdate<Simulation>();
  const set = (values: Partial<Simulation>) => mutate({ resource: "settings", id: "simulation", values, successNotification: false });
  return (
    <Space size={10} className="simulation">
      <Switch size="small" aria-label="Simulate activity" checked={now?.on ?? false} disabled={!now} loading={mutation.isPending} onChange={(on) => set({ on })} />
      <Tooltip title="Customers order and orders move on by themselves, in the backend. It turns itself off after 15 minutes.">
        <Typography.Text type={now?.on ? undefined : "secondary"} className="wide">
          Simulate activity
        </Typography.Text>
      </Tooltip>
      {now?.on && (
        <Select
          size="small"
          className="wide"
          aria-label="Events per minute"
          value={now.per_minute}
          onChange={(per_minute) => set({ per_minute })}
          options={[10, 30, 60, 120].map((value) => ({ value, label: `${value} a minute` }))}
        />
      )}
    </Space>
  );
}

function User() {
  const user = useUser();
  return (
    <Dropdown trigger={["click"]} menu={{ selectedKeys: [user], items: users.map((key) => ({ key, label: key })), onClick: ({ key }) => setUser(key) }}>
      <Button type="text" style={{ paddingInline: 6 }} aria-label={`You are ${user}`}>
        <Avatar size={26} style={{ background: colorOf(user) }}>
          {user[0]}
        </Avatar>
        <span className="wide">{user}</span>
      </Button>
    </Dropdown>
  );
}
