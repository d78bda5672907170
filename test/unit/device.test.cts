import { BertCnn } from "../../src/index.cjs";
import { replaceNativeModule } from "../../src/native-module.cjs";
import { FakeNative } from "./support/fake-native.cjs";

let native: FakeNative;

beforeEach(() => {
  native = new FakeNative();
  replaceNativeModule(native);
});

afterEach(() => {
  replaceNativeModule(undefined);
  jest.restoreAllMocks();
});

const load = () => BertCnn.fromPretrained(__dirname);

test("a model that computes where it was meant to says nothing", async () => {
  const warn = jest.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  await load();
  expect(warn).not.toHaveBeenCalled();
});

test("'auto' on the CPU in spite of CUDA is told once a process", async () => {
  const warn = jest.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  native.info = { ...native.info, reasonForCpu: "there is no NVIDIA driver" };
  await load();
  await load();
  expect(warn.mock.calls).toEqual([
    [expect.stringMatching(/'auto'.*CPU: there is no NVIDIA driver\./), "BertCnnWarning"],
  ]);
});
