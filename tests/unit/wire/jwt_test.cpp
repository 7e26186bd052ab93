#include "wire/jwt.hpp"

#include <doctest/doctest.h>

#include "base/reasons.hpp"
#include "unit/keys.hpp"

TEST_SUITE_BEGIN("wire/jwt");

namespace snapvault::wire {

TEST_CASE("RFC 7515 appendix A.2: the whole token, byte by byte") {
  const auto token =
      sign_jwt(R"({"alg":"RS256"})",
               "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}",
               kRfc7515Key);
  REQUIRE(token);
  CHECK(token->reveal() ==
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
        "LmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZm"
        "h7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTy"
        "WzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZ"
        "ESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypG"
        "lUPQGe77Rw");
}

TEST_CASE("a key that cannot sign makes no token") {
  const auto token = sign_jwt("{}", "{}", "no key");
  REQUIRE(!token);
  CHECK(token.error().reason() == reason::bad_credential);
}

}  // namespace snapvault::wire

TEST_SUITE_END();
