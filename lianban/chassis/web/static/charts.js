// Pictures of tables, for those who would rather look than read. A figure holds a table, which stands open without this
// file; here its numbers are drawn above it and the table is folded. What is drawn is what the table says, nothing else.
(() => {
  "use strict";
  if (!window.echarts) return;
  const MOST_ROWS = 12;
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim();
  const soft = style.getPropertyValue("--ink-soft").trim();
  const line = style.getPropertyValue("--line").trim();
  const font = { fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 13, color: ink };
  const number = (cell) => Number.parseInt(cell.innerText, 10) || 0; // its first line; a remark may stand below

  // The colour that the style sheet gives to a share of this name.
  const colour = (name) => {
    const probe = document.createElement("i");
    probe.className = name;
    document.body.append(probe);
    const found = getComputedStyle(probe).getPropertyValue("--share").trim();
    probe.remove();
    return found;
  };

  // What a figure's table says: names of its rows, and for each column with a colour its numbers.
  const read = (figure) => {
    const table = figure.querySelector("table");
    const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
    const rows = [...table.tBodies[0].rows];
    const wanted = figure.dataset.series.split(",");
    const series = wanted
      .map((name, index) => ({ name, column: index + 1 }))
      .filter(({ name }) => name)
      .map(({ name, column }) => ({
        label: heads[column],
        colour: colour(name),
        values: rows.map((row) => number(row.cells[column])),
      }));
    return { names: rows.map((row) => row.cells[0].textContent.trim()), series };
  };

  const common = (labels) => ({
    textStyle: font,
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    legend: { data: labels, left: 0, top: 0, itemWidth: 12, itemHeight: 12, textStyle: font },
    tooltip: {
      trigger: "axis",
      renderMode: "richText", // drawn on the picture: the page allows no style of its own in markup
      axisPointer: { type: "shadow" },
      textStyle: font,
    },
  });
  const amounts = { type: "value", minInterval: 1, axisLabel: { color: soft }, splitLine: { lineStyle: { color: line } } };
  const names = (data, label) => ({
    type: "category",
    data,
    axisTick: { show: false },
    axisLine: { lineStyle: { color: line } },
    axisLabel: { color: soft, ...label },
  });

  const columns = ({ names: months, series }) => ({
    ...common(series.map((one) => one.label)),
    grid: { left: 4, right: 8, top: 40, bottom: 4, containLabel: true },
    xAxis: names(months, { hideOverlap: true, formatter: (month) => month.replace("年", "年\n").replace(" ", "\n") }),
    yAxis: amounts,
    series: series.map((one) => ({
      type: "bar",
      name: one.label,
      data: one.values,
      barMaxWidth: 22,
      barGap: "10%",
      itemStyle: { color: one.colour, borderRadius: [3, 3, 0, 0] },
    })),
  });

  const rows = ({ names: agencies, series }, wide) => ({
    ...common(series.map((one) => one.label)),
    grid: { left: 4, right: 16, top: 40, bottom: 4, containLabel: true },
    xAxis: amounts,
    yAxis: { ...names(agencies.slice(0, MOST_ROWS), wide ? {} : { width: 108, overflow: "break", lineHeight: 14 }), inverse: true },
    series: series.map((one) => ({
      type: "bar",
      stack: "all",
      name: one.label,
      data: one.values.slice(0, MOST_ROWS),
      barMaxWidth: 16,
      itemStyle: { color: one.colour },
    })),
  });

  const tell = (figure, all) => {
    const told = figure.querySelector(".chart-cut");
    if (!told || all <= MOST_ROWS) return;
    told.textContent = told.dataset.text.replace("{shown}", MOST_ROWS).replace("{all}", all);
    told.hidden = false;
  };

  const draw = (figure) => {
    const picture = figure.querySelector(".chart-picture");
    const told = read(figure);
    const stacked = figure.dataset.chart === "rows";
    picture.hidden = false;
    if (stacked) {
      picture.style.height = `${72 + 34 * Math.min(told.names.length, MOST_ROWS)}px`;
      tell(figure, told.names.length);
    }
    const chart = window.echarts.init(picture);
    let wide = null;
    const fit = () => {
      chart.resize();
      if (wide === picture.clientWidth > 560) return;
      wide = picture.clientWidth > 560;
      chart.setOption(stacked ? rows(told, wide) : columns(told), true);
    };
    fit();
    new ResizeObserver(fit).observe(picture);
    figure.querySelector(".chart-table").open = false;
  };

  for (const figure of document.querySelectorAll("figure.chart[data-chart]")) draw(figure);
})();
