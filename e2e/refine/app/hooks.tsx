// One component per hook, each with a query of its own (`meta`), each showing the titles of its records.
import { Button, Checkbox, Drawer, Form, Input, List, Modal, Radio, Select, Table } from "antd";
import { useDrawerForm, useEditableTable, useForm, useModalForm, useSelect, useSimpleList, useStepsForm, useTable } from "@refinedev/antd";
import { useCheckboxGroup, useRadioGroup } from "@refinedev/antd";
import { useInfiniteList, useList, useMany, useOne, useShow, type BaseKey, type LiveEvent } from "@refinedev/core";
import { useEffect, type FC, type ReactNode } from "react";
import { log, settings } from "./bed";

export interface HookProps {
  resource: string;
  id: BaseKey;
  ids: BaseKey[];
}

export const note = (who: string) => (event: LiveEvent) =>
  void log.events.push({
    who,
    type: event.type,
    ids: event.payload?.ids,
    payload: event.payload,
    meta: event.meta,
    date: event.date instanceof Date ? event.date.toISOString() : typeof event.date,
    at: Date.now(),
  });

const common = (name: string, resource: string) => ({ resource, meta: { hook: name }, onLiveEvent: note(name), ...settings.hook }) as const;

/** What a hook shows, noted whenever it changes. */
const Box = ({ name, text, children }: { name: string; text?: unknown; children?: ReactNode }) => {
  const shown = String(text ?? "");
  useEffect(() => void log.shown.push({ who: name, text: shown, at: Date.now() }), [name, shown]);
  return (
    <section data-hook={name}>
      <h4>{name}</h4>
      <p data-text>{shown}</p>
      {children}
    </section>
  );
};
const titles = (records: readonly any[] | undefined) => records?.map((r) => r?.title ?? r?.label).join(" | ");

const Fields = () => (
  <>
    <Form.Item name="title">
      <Input data-field="title" />
    </Form.Item>
    <Form.Item name="note">
      <Input data-field="note" />
    </Form.Item>
  </>
);

export const hooks = {
  useList({ resource }) {
    const { result } = useList({ ...common("useList", resource) });
    return <Box name="useList" text={titles(result.data)} />;
  },
  useInfiniteList({ resource }) {
    const { result } = useInfiniteList({ ...common("useInfiniteList", resource) });
    return <Box name="useInfiniteList" text={titles(result.data?.pages.flatMap((page) => page.data))} />;
  },
  useOne({ resource, id }) {
    const { result } = useOne({ ...common("useOne", resource), id });
    return <Box name="useOne" text={result?.title} />;
  },
  useMany({ resource, ids }) {
    const { result } = useMany({ ...common("useMany", resource), ids });
    return <Box name="useMany" text={titles(result.data)} />;
  },
  useShow({ resource, id }) {
    const { result } = useShow({ ...common("useShow", resource), id });
    return <Box name="useShow" text={result?.title} />;
  },
  useForm({ resource, id }) {
    const { formProps, form } = useForm({ ...common("useForm", resource), id, action: "edit", redirect: false });
    return (
      <Box name="useForm" text={Form.useWatch("title", form)}>
        <Form {...formProps}>
          <Fields />
        </Form>
      </Box>
    );
  },
  useModalForm({ resource, id }) {
    const { show, modalProps, formProps, form } = useModalForm({ ...common("useModalForm", resource), action: "edit" });
    useEffect(() => show(id), []);
    return (
      <Box name="useModalForm" text={Form.useWatch("title", form)}>
        <Button onClick={() => show(1)}>Edit 1</Button>
        <Button onClick={() => show(2)}>Edit 2</Button>
        <Modal {...modalProps} getContainer={false} mask={false} transitionName="" maskTransitionName="">
          <Form {...formProps}>
            <Fields />
          </Form>
        </Modal>
      </Box>
    );
  },
  useDrawerForm({ resource, id }) {
    const { show, drawerProps, formProps, form, saveButtonProps } = useDrawerForm({ ...common("useDrawerForm", resource), action: "edit" });
    useEffect(() => show(id), []);
    return (
      <Box name="useDrawerForm" text={Form.useWatch("title", form)}>
        <Button onClick={() => show(1)}>Edit 1</Button>
        <Button onClick={() => show(2)}>Edit 2</Button>
        <Drawer {...drawerProps} getContainer={false} mask={false} extra={<Button {...saveButtonProps}>Save</Button>}>
          <Form {...formProps}>
            <Fields />
          </Form>
        </Drawer>
      </Box>
    );
  },
  useStepsForm({ resource, id }) {
    const { formProps, form, current } = useStepsForm({ ...common("useStepsForm", resource), id, action: "edit", redirect: false });
    return (
      <Box name="useStepsForm" text={Form.useWatch("title", form)}>
        <Form {...formProps}>{current == 0 && <Fields />}</Form>
      </Box>
    );
  },
  useTable({ resource }) {
    const { tableProps } = useTable({ ...common("useTable", resource), syncWithLocation: false });
    return (
      <Box name="useTable" text={titles(tableProps.dataSource)}>
        <Table {...tableProps} rowKey="id" columns={[{ dataIndex: "title" }]} />
      </Box>
    );
  },
  useEditableTable({ resource, id }) {
    const { tableProps, formProps, form, setId } = useEditableTable({ ...common("useEditableTable", resource), syncWithLocation: false });
    useEffect(() => setId?.(id), []);
    return (
      <Box name="useEditableTable" text={`${titles(tableProps.dataSource)} / ${Form.useWatch("title", form)}`}>
        <Form {...formProps}>
          <Fields />
          <Table {...tableProps} rowKey="id" columns={[{ dataIndex: "title" }]} />
        </Form>
      </Box>
    );
  },
  useSimpleList({ resource }) {
    const { listProps } = useSimpleList({ ...common("useSimpleList", resource) });
    return (
      <Box name="useSimpleList" text={titles(listProps.dataSource)}>
        <List {...listProps} renderItem={(item: any) => <List.Item>{item.title}</List.Item>} />
      </Box>
    );
  },
  useCheckboxGroup({ resource }) {
    const { checkboxGroupProps } = useCheckboxGroup({ ...common("useCheckboxGroup", resource) });
    return (
      <Box name="useCheckboxGroup" text={titles(checkboxGroupProps.options)}>
        <Checkbox.Group {...checkboxGroupProps} />
      </Box>
    );
  },
  useSelect({ resource }) {
    const { selectProps } = useSelect({ ...common("useSelect", resource) });
    return (
      <Box name="useSelect" text={titles(selectProps.options)}>
        <Select {...(selectProps as object)} style={{ width: 200 }} />
      </Box>
    );
  },
  useRadioGroup({ resource }) {
    const { radioGroupProps } = useRadioGroup({ ...common("useRadioGroup", resource) });
    return (
      <Box name="useRadioGroup" text={titles(radioGroupProps.options)}>
        <Radio.Group {...radioGroupProps} />
      </Box>
    );
  },
} satisfies Record<string, FC<HookProps>>;
export { Box, Fields, common };
