#include "suite.h"
extern const struct suite suite_domain;
const struct suite *const suites[] = {&suite_domain, NULL};
