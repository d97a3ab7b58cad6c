/* SPDX-License-Identifier: MIT
 *
 * laganctl: shows and steers the memory services of a Lagan host, from its control domain.
 */
#include "command.h"

int main(int argc, char **argv)
{
    return laganctl(argc, argv);
}
