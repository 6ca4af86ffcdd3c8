import { useForm, useModalForm } from "@refinedev/antd";
import { useDelete, useGo, useMany, usePublish, useShow, useSubscription, useUpdate, type LiveEvent } from "@refinedev/core";
import { Button, Form, Modal } from "antd";
import { useRef, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { useLiveStatus } from "livebridge/react";
import { settings } from "./bed";
import { Box, Fields, common, hooks, note } from "./hooks";
import { client } from "./live";

export const Badge = () => {
  const { state } = useLiveStatus(client);
  return <b data-state={state}>{state}</b>;
};

/** ?hooks=useOne,useTable:comments&resource=posts&id=1&ids=[1,2] */
export const HooksPage = () => {
  const [query] = useSearchParams();
  const names = (query.get("hooks") || "").split(",").filter(Boolean);
  const id = JSON.parse(query.get("id") ?? "1");
  const ids = JSON.parse(query.get("ids") ?? "[1,2]");
  const [there, setThere] = useState(true);
  return (
    <>
      <Button data-button="toggle" onClick={() => setThere(!there)}>
        toggle
      </Button>
      {there &&
        names.map((name) => {
          const [hook, resource = query.get("resource") ?? "posts"] = name.split(":");
          const Hook = hooks[hook as keyof typeof hooks];
          return <Hook key={name} resource={resource} id={id} ids={ids} />;
        })}
    </>
  );
};

export const ShowPage = () => {
  const { result } = useShow({ meta: { hook: "show" }, onLiveEvent: note("show"), ...settings.hook });
  return (
    <Box name="show" text={result?.title}>
      <Link to="/posts/show/1">1</Link> <Link to="/posts/show/2">2</Link>
    </Box>
  );
};

export const ManyPage = () => {
  const [ids, setIds] = useState([1, 2]);
  const { result } = useMany({ ...common("many", "posts"), ids });
  return (
    <Box name="many" text={result.data?.map((r) => r.title).join(" | ")}>
      <Button data-button="next" onClick={() => setIds([3, 4])} />
    </Box>
  );
};

/** An edit form in a modal: edit 1, save, edit 2. */
export const ModalPage = () => {
  const { show, modalProps, formProps, form } = useModalForm({ ...common("modal", "posts"), action: "edit", redirect: false });
  return (
    <Box name="modal" text={Form.useWatch("title", form)}>
      <Button data-button="edit-1" onClick={() => show(1)} />
      <Button data-button="edit-2" onClick={() => show(2)} />
      <Modal {...modalProps} getContainer={false} mask={false} transitionName="" maskTransitionName="">
        <Form {...formProps}>
          <Fields />
        </Form>
      </Modal>
    </Box>
  );
};

/** An edit form; ?autosave=1: saves while one types; ?hold=1: is not read again while fields are touched. */
export const EditPage = () => {
  const [query] = useSearchParams();
  const touched = useRef((): boolean => false);
  const { formProps, form, saveButtonProps } = useForm({
    ...common("edit", "posts"),
    action: "edit",
    redirect: false,
    ...(query.has("autosave") && { autoSave: { enabled: true, debounce: 50 } }),
    ...(query.has("hold") && { liveParams: { hold: () => touched.current() } }),
  });
  touched.current = () => form.isFieldsTouched();
  return (
    <Box name="edit" text={Form.useWatch("title", form)}>
      <Form {...formProps}>
        <Fields />
      </Form>
      <Button {...saveButtonProps} data-button="save" />
      <Button data-button="reset" onClick={() => form.resetFields()} />
    </Box>
  );
};

export const MutatePage = () => {
  const { mutate: update } = useUpdate();
  const { mutate: remove } = useDelete();
  return (
    <>
      <Button data-button="update" onClick={() => update({ resource: "posts", id: 1, values: { title: "mine" }, successNotification: false })} />
      <Button data-button="delete" onClick={() => remove({ resource: "posts", id: 9, successNotification: false })} />
      <hooks.useList resource="posts" id={1} ids={[]} />
    </>
  );
};

/** ?channel=…&types=created,updated&params={"last":3} */
export const SubscriptionPage = () => {
  const [query] = useSearchParams();
  const [events, setEvents] = useState<LiveEvent[]>([]);
  const publish = usePublish();
  const go = useGo();
  useSubscription({
    channel: query.get("channel") ?? "posts",
    ...(query.has("types") && { types: query.get("types")!.split(",") }),
    ...(query.has("params") && { params: JSON.parse(query.get("params")!) }),
    onLiveEvent: (event) => {
      note("subscription")(event);
      setEvents((before) => [...before, event]);
    },
  });
  return (
    <Box name="subscription" text={events.length}>
      <Button data-button="publish" onClick={() => publish?.({ channel: "resources/jobs", type: "done", payload: { ids: ["a b", 7], n: 5 }, date: new Date(0), meta: { secret: "s3cr3t" } })} />
      <Button data-button="leave" onClick={() => go({ to: "/empty" })} />
    </Box>
  );
};
