# prelude: none
# A notebook without a cell is run, kept and answered.
