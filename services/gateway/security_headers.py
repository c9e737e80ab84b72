"""Headers that tell browsers what they may do with an answer: made once, added to every answer."""

from __future__ import annotations

from secure import (
    ContentSecurityPolicy,
    CrossOriginOpenerPolicy,
    CrossOriginResourcePolicy,
    PermissionsPolicy,
    ReferrerPolicy,
    Secure,
    StrictTransportSecurity,
    XContentTypeOptions,
    XFrameOptions,
)


def _headers(policy: ContentSecurityPolicy) -> tuple[tuple[bytes, bytes], ...]:
    secure = Secure(
        csp=policy.base_uri("'none'").frame_ancestors("'none'").form_action("'none'"),
        # One site serves the web app, another the API; CORS says which.
        corp=CrossOriginResourcePolicy().cross_origin(),
        coop=CrossOriginOpenerPolicy().same_origin(),
        hsts=StrictTransportSecurity().max_age(63_072_000).include_subdomains(),
        permissions=PermissionsPolicy().geolocation().microphone().camera().payment(),
        referrer=ReferrerPolicy().no_referrer(),
        xcto=XContentTypeOptions().nosniff(),
        xfo=XFrameOptions().deny(),
    )
    return tuple((name.lower().encode(), value.encode()) for name, value in secure.headers.items())


API_HEADERS = _headers(ContentSecurityPolicy().default_src("'none'"))
"""For answers that no browser renders."""
DOCS_HEADERS = _headers(
    ContentSecurityPolicy()
    .default_src("'none'")
    .script_src("'self'")
    .style_src("'self'", "'unsafe-inline'")
    .img_src("'self'", "data:")
    .connect_src("'self'")
)
"""For the page at /docs, which loads its own script and style and calls this API."""
