# SPDX-License-Identifier: MIT
#
# Draws the ratios of `make bench`, one bar a row, the first on top: tools/bench gives bars, a file of lines
# "NAME" RATIO GOAL MET, n, their number, and picture, the file to write.
set terminal svg size 860, 130 + 22 * n font "sans-serif,12" background "white"
set output picture
set title "What it costs on Lagan, of what it costs on Debian's Xen 4.17 (1.0): less is better" noenhanced
set xrange [0 : 1.2]
set yrange [n - 0.4 : -0.6]
set lmargin 30
set rmargin 12
set ytics nomirror scale 0
set xtics nomirror 0.2
set grid xtics lc rgb "#dddddd"
set border 1 lc rgb "#888888"
set key below horizontal samplen 1 noenhanced
set style fill solid noborder
set arrow from 1, graph 0 to 1, graph 1 nohead lc rgb "#444444" lw 1.5
plot bars using (0.5 * $2):0:(0.5 * $2):(0.32):ytic(1) every ::0 with boxxyerror lc rgb "white" notitle, \
     bars using ($4 == 1 ? 0.5 * $2 : NaN):0:(0.5 * $2):(0.32) with boxxyerror lc rgb "#3b7ea1" title "meets its goal", \
     bars using ($4 == 0 ? 0.5 * $2 : NaN):0:(0.5 * $2):(0.32) with boxxyerror lc rgb "#e08e45" title "misses it", \
     bars using 3:0 with points pt 9 ps 0.8 lc rgb "#222222" title "goal", \
     bars using 2:0:(sprintf(" %.2f", $2)) with labels left font ",10" notitle
