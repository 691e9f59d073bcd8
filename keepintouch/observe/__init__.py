"""What is watched: dashboards as code, what is wrong with them if anything, and a month in which every panel is tried."""
