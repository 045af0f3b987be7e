"""OHIF's app-config.js, made for each visitor: our DICOMweb on the same origin, the session cookie, no token in JavaScript."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

BASE = "/viewer"
DICOMWEB = "/dicom-web"

DATA_SOURCE: dict[str, Any] = {
    "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
    "sourceName": "panorad",
    "configuration": {
        "friendlyName": "Panorad",
        "name": "panorad",
        "qidoRoot": DICOMWEB,
        "wadoRoot": DICOMWEB,
        "wadoUriRoot": DICOMWEB,
        "qidoSupportsIncludeField": True,
        "supportsReject": False,
        "supportsFuzzyMatching": True,
        "supportsWildcard": True,
        "imageRendering": "wadors",
        "thumbnailRendering": "wadors",
        "enableStudyLazyLoad": True,  # metadata series by series: the first image need not wait for the last series
        "requestTransferSyntaxUID": "*",  # frames as they are stored: nothing is transcoded that the browser can decode
        "omitQuotationForMultipartRequest": False,
        "singlepart": "bulkdata,video,pdf",
        "bulkDataURI": {"enabled": True},
    },
}

CONFIG: dict[str, Any] = {
    "routerBasename": BASE,
    "extensions": [],
    "modes": [],
    "customizationService": {"global": {"ohif.tours": {"$set": []}}},
    "investigationalUseDialog": {"option": "always"},
    "showStudyList": False,  # the study list is ours; the mark in the corner leads there
    "showErrorDetails": "production",
    "showLoadingIndicator": True,
    "showCPUFallbackMessage": True,
    "showWarningMessageForCrossOrigin": False,
    "strictZSpacingForVolumeViewport": True,
    "groupEnabledModesFirst": True,
    "allowMultiSelectExport": False,
    "maxNumberOfWebWorkers": 4,
    "maxNumRequests": {"interaction": 100, "thumbnail": 8, "prefetch": 24},
    "studyPrefetcher": {"enabled": False},
    "defaultDataSourceName": "panorad",
    "dataSources": [DATA_SOURCE],
}

_SCRIPT = """// Made by Panorad for this visitor.
for (const store of [localStorage]) store.setItem("i18nextLng", {language});
document.cookie = "i18next=" + {language} + "; path={base}; samesite=lax";
document.documentElement.lang = {language};
window.config = {config};
window.config.whiteLabeling = {{
  createLogoComponentFn: (React) => React.createElement(
    "a",
    {{ href: "/", title: {back}, className: "flex items-center gap-2 px-2 text-foreground" }},
    React.createElement(
      "svg", {{ viewBox: "0 0 26 26", width: 24, height: 24, fill: "none", stroke: "#6aa8ff", strokeWidth: 2.4 }},
      React.createElement("circle", {{ cx: 13, cy: 13, r: 11.5 }}),
      React.createElement("path", {{ d: "M3 15c4-6 7-6 10 0s6 6 10 0" }})),
    {back},
  ),
}};
window.config.httpErrorHandler = (error) => {{ if (error.status === 401) document.dispatchEvent(new Event("panorad:refused")); }};
window.panoradReading = {reading};
if (window.panoradReading) import({script});
"""


def app_config(language: str, back: str, reading: Mapping[str, Any] | None = None, script: str = "") -> str:
    """The script for a visitor. `back` is the label, in their language, of the way back to the study list.

    `reading`: what the module at `script` needs to keep the session alive while somebody reads; None for a center without sign-in.
    """
    return _SCRIPT.format(
        language=json.dumps("zh-CN" if language == "zh-CN" else "en-US"),
        base=BASE,
        config=json.dumps(CONFIG, indent=2),
        back=json.dumps(back),
        reading=json.dumps(reading),
        script=json.dumps(script),
    )
