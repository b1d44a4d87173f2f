"use strict";
// Draws every chart of the page as SVG. Expressions are interpreted, not made into code (`ast`).
(() => {
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const options = {
    mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
  };
  const views = [];
  for (const place of document.querySelectorAll("[data-chart]")) {
    const spec = specs[place.dataset.chart];
    spec.config.legend.columns = place.clientWidth < 480 ? 1 : 3; // a phone would cut it off
    vegaEmbed(place, spec, options).then(
      (result) => { views.push(result.view); place.dataset.state = "drawn"; },
      (error) => {
        place.dataset.state = "failed";
        place.textContent = "This chart could not be drawn; its figures stand in a table.";
        console.error(error);
      },
    );
  }
  // drawn anew at the width of paper, else letters would shrink with the page
  addEventListener("beforeprint", () => { for (const view of views) view.width(620).run(); });
  addEventListener("afterprint", () => dispatchEvent(new Event("resize")));
})();
