import { Edit, useForm } from "@refinedev/antd";
import type { HttpError } from "@refinedev/core";
import { useDataProvider, useParsed } from "@refinedev/core";
import { Alert, Button, Form } from "antd";
import { useState } from "react";
import { euro } from "../components/bits";
import { ProductFields } from "../components/ProductFields";
import type { Product } from "../types";

const labels = { name: "Name", sku: "SKU", category: "Category", price: "Price", stock: "Stock", description: "Description", active: "On sale" };
type Field = keyof typeof labels;
type Values = Partial<Pick<Product, Field>>;
const fields = Object.keys(labels) as Field[];

const show = (field: Field, value: unknown) => (field === "price" ? euro(Number(value)) : typeof value === "boolean" ? (value ? "yes" : "no") : `${value}`);

export function ProductEdit() {
  const { id } = useParsed();
  return <EditForm key={id} />; // another record: another form
}

/**
 * The form does not follow changes by itself (liveMode manual), lest it overwrite what is being typed. It says what was changed
 * meanwhile and offers to take it over. Only what was changed here is saved, so that two people can edit different fields at once.
 */
function EditForm() {
  const [meanwhile, setMeanwhile] = useState<Product | "deleted">();
  const [who, setWho] = useState("somebody else");
  const [taken, setTaken] = useState<Product>();
  const getOne = useDataProvider()().getOne;
  const { form, formProps, saveButtonProps, id, query, onFinish } = useForm<Product, HttpError, Values>({
    liveMode: "manual",
    onLiveEvent: async (event) => {
      if (id === undefined) return;
      setWho((event.meta?.user as string | undefined) ?? "somebody else");
      const now = await getOne<Product>({ resource: "products", id }).catch((e: HttpError) => (e.statusCode === 404 ? ("deleted" as const) : undefined));
      if (now) setMeanwhile(now === "deleted" ? now : now.data);
    },
  });
  const base = taken ?? query?.data?.data; // what this form was filled with, or has taken over since
  const changed = !meanwhile || meanwhile === "deleted" || !base ? [] : fields.filter((f) => meanwhile[f] !== base[f]);
  const touched = (f: Field) => form.getFieldValue(f) !== base?.[f];

  const takeOver = () => {
    if (!meanwhile || meanwhile === "deleted") return;
    form.setFieldsValue(Object.fromEntries(changed.filter((f) => !touched(f)).map((f) => [f, meanwhile[f]])));
    setTaken(meanwhile);
    setMeanwhile(undefined);
  };
  const save = (values: Values) => onFinish(Object.fromEntries(fields.filter((f) => values[f] !== base?.[f]).map((f) => [f, values[f]])));

  return (
    <Edit saveButtonProps={{ ...saveButtonProps, disabled: saveButtonProps.disabled || meanwhile === "deleted" }} title={`Edit ${base?.name ?? ""}`}>
      {meanwhile === "deleted" && <Alert showIcon type="error" style={{ marginBottom: 20 }} message={`This product was deleted meanwhile, by ${who}`} />}
      {meanwhile !== "deleted" && changed.length > 0 && (
        <Alert
          showIcon
          type="info"
          data-testid="meanwhile"
          style={{ marginBottom: 20 }}
          message={`Changed meanwhile by ${who}`}
          description={changed.map((f) => (
            <div key={f}>
              {labels[f]}: <s>{show(f, base![f])}</s> → <b>{show(f, meanwhile![f])}</b>
              {touched(f) && " (you have changed it too: yours is saved)"}
            </div>
          ))}
          action={
            <Button size="small" type="primary" onClick={takeOver}>
              Take over
            </Button>
          }
        />
      )}
      <Form {...formProps} layout="vertical" onFinish={(values) => save(values as Values)}>
        <ProductFields />
      </Form>
    </Edit>
  );
}
