import { reportStats, toEngineStats, type EngineStats } from "../../src/stats.cjs";
import { FakeNative } from "./support/fake-native.cjs";

const stats = toEngineStats(new FakeNative().model().stats());
const model = { stats: () => stats };

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

describe("reports of counters", () => {
  it("come again and again until they are ended", () => {
    const reports: EngineStats[] = [];
    const end = reportStats(() => model, { onStats: (one) => reports.push(one), statsInterval: 5 });
    jest.advanceTimersByTime(14);
    expect(reports).toEqual([stats, stats]);
    end();
    jest.advanceTimersByTime(100);
    expect(reports).toHaveLength(2);
    expect(jest.getTimerCount()).toBe(0);
  });

  it("come every ten seconds where nothing else is said", () => {
    const onStats = jest.fn();
    const end = reportStats(() => model, { onStats });
    jest.advanceTimersByTime(9999);
    expect(onStats).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect(onStats).toHaveBeenCalledTimes(1);
    end();
  });

  it("need no timer where nobody wants them", () => {
    const end = reportStats(() => model, { statsInterval: 5 });
    expect(jest.getTimerCount()).toBe(0);
    end();
  });

  it("end by themselves when the model was collected", () => {
    const onStats = jest.fn();
    let source: typeof model | undefined = model;
    reportStats(() => source, { onStats, statsInterval: 5 });
    jest.advanceTimersByTime(5);
    source = undefined;
    jest.advanceTimersByTime(5);
    expect(onStats).toHaveBeenCalledTimes(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it("go on after a callback that throws, which is a warning", () => {
    const warn = jest.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const onStats = jest.fn(() => {
      throw new Error("no such meter");
    });
    const end = reportStats(() => model, { onStats, statsInterval: 5 });
    jest.advanceTimersByTime(10);
    end();
    expect(onStats).toHaveBeenCalledTimes(2);
    expect(warn).toHaveBeenCalledTimes(2);
    expect(warn.mock.calls[0]).toEqual(["onStats threw: Error: no such meter", "BertCnnWarning"]);
  });
});
