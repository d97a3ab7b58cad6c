/* SPDX-License-Identifier: MIT
 *
 * What lagan-9pd's configuration may say.
 */
#include <stdio.h>
#include <string.h>

#include "tools/lagan-9pd/options.h"
#include "unittests/suite.h"

static struct share_options shares[4];
static char why[128];

static int parse(const char *text)
{
    static char copy[4096];

    snprintf(copy, sizeof(copy), "%s", text);
    *why = 0;
    return share_options_read(copy, shares, 4, why, sizeof(why));
}

static void test_good(void)
{
    CU_ASSERT_EQUAL(parse("# a remark\n\n  domain=web tag=share\tpath=/srv read-only\r\n"
                          "domain=3 tag=b path=/ user=nobody spin=0"),
                    2);
    CU_ASSERT_STRING_EQUAL(shares[0].domain, "web");
    CU_ASSERT_STRING_EQUAL(shares[0].tag, "share");
    CU_ASSERT_STRING_EQUAL(shares[0].path, "/srv");
    CU_ASSERT_TRUE(shares[0].read_only && !shares[0].squash && !shares[0].devices);
    CU_ASSERT_TRUE(!shares[1].read_only && shares[1].squash);
    CU_ASSERT_TRUE(shares[1].uid != 0 && shares[1].spin_us == 0);
    CU_ASSERT_EQUAL(parse(""), 0);
    CU_ASSERT_EQUAL(parse("domain=a tag=b path=/c devices"), 1);
    CU_ASSERT_TRUE(shares[0].devices);
}

static void test_bad(void)
{
    static const char *const bad[] = {
        "tag=b path=/c",
        "domain=a path=/c",
        "domain=a tag=b",
        "domain= tag=b path=/c",
        "domain tag=b path=/c",
        "domain=a tag=b path=c",
        "domain=a tag=b path=/c user=root",
        "domain=a tag=b path=/c user=nobody-has-this-name",
        "domain=a tag=b path=/c user",
        "domain=a tag=b path=/c user=nobody devices",
        "domain=a tag=b path=/c spin=1001",
        "domain=a tag=b path=/c spin=-1",
        "domain=a tag=b path=/c spin=5us",
        "domain=a tag=b path=/c read-only=no",
        "domain=a tag=b path=/c readonly",
        "domain=a tag=b path=/c sort=x",
        "domain=0123456789012345678901234567890123456789012345678901234567890123 tag=b path=/c",
    };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(parse(bad[i]), -1);
        CU_ASSERT_EQUAL(strncmp(why, "line 1: ", 8), 0);
    }
    CU_ASSERT_EQUAL(parse("domain=a tag=b path=/c\n\n#\ndomain=a"), -1);
    CU_ASSERT_EQUAL(strncmp(why, "line 4: no tag", 14), 0);
    CU_ASSERT_EQUAL(parse("domain=a tag=b path=/c\ndomain=a tag=b path=/c\ndomain=a tag=b path=/c\n"
                          "domain=a tag=b path=/c\ndomain=a tag=b path=/c\n"),
                    -1);
    CU_ASSERT_STRING_EQUAL(why, "line 5: too many shares");
}

static const struct test_case cases[] = {
    {"what is understood", test_good},
    {"what is not", test_bad},
    {NULL, NULL},
};

const struct suite suite_share_options = {.name = "share_options", .cases = cases};
